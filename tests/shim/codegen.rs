//! The page helpers as instructions: those of the helper for netmem, and no other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Compiles the pairs of tests/codegen in release mode, and gives the assembly.
fn assembly() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("codegen");
    let _ = fs::remove_dir_all(target.join("release/deps/asm"));
    let status = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["rustc", "--quiet", "--release", "--offline", "--manifest-path"])
        .arg(root.join("tests/codegen/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .args(["--", "--emit=asm", "-Cdebuginfo=0"])
        .status()
        .expect("cargo runs");
    assert!(status.success(), "tests/codegen does not compile");
    let found = fs::read_dir(target.join("release/deps")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = found
        .filter(|path| path.extension().is_some_and(|end| end == "s"))
        .filter(|path| path.to_string_lossy().contains("netmem_codegen"))
        .collect();
    found.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
    fs::read_to_string(found.last().expect("rustc wrote assembly")).unwrap()
}

/// The instructions of each function, without the names of local labels; an alias has those of what it names.
fn functions(assembly: &str) -> BTreeMap<String, Vec<String>> {
    let (mut functions, mut aliases, mut name) = (BTreeMap::<String, Vec<String>>::new(), Vec::new(), None);
    let mut labels: BTreeMap<String, usize> = BTreeMap::new();
    for line in assembly.lines().map(str::trim) {
        // LLVM merges functions that are the same, and writes one as the other's name.
        if let Some((alias, of)) = line.strip_prefix(".set ").map_or(line.split_once(" = "), |set| set.split_once(','))
        {
            aliases.push((alias.trim().to_string(), of.trim().to_string()));
        } else if let Some(label) = line.strip_suffix(':') {
            if label.starts_with(".Lfunc_end") {
                name = None;
            } else if label.starts_with(".L") {
                if let Some(name) = &name {
                    let number = labels.len();
                    let number = *labels.entry(label.into()).or_insert(number);
                    functions.entry(String::clone(name)).or_default().push(format!("label {number}"));
                }
            } else {
                name = Some(label.to_string());
                labels.clear();
            }
        } else if !line.starts_with('.') && !line.is_empty() && !line.starts_with('#') {
            if let Some(name) = &name {
                let mut words = Vec::new();
                for word in line.split_inclusive([' ', ',', '\t', '(']) {
                    let bare = word.trim_end_matches([' ', ',', '\t', '(']);
                    if bare.starts_with(".L") {
                        let number = labels.len();
                        words.push(format!("label {}", labels.entry(bare.into()).or_insert(number)));
                    } else {
                        words.push(word.to_string());
                    }
                }
                functions.entry(name.clone()).or_default().push(words.concat());
            }
        }
    }
    // A name may stand for a name.
    for _ in 0..aliases.len() {
        for (alias, of) in &aliases {
            if let Some(body) = functions.get(of).cloned() {
                functions.insert(alias.clone(), body);
            }
        }
    }
    functions
}

#[test]
fn wrapper_and_helper_are_the_same_instructions() {
    let functions = functions(&assembly());
    let mut pairs = 0;
    for (page, wrapper) in functions.iter().filter(|(name, _)| name.starts_with("page_")) {
        let netmem = page.replacen("page_", "netmem_", 1);
        let helper = functions.get(&netmem).unwrap_or_else(|| panic!("there is no {netmem} beside {page}"));
        assert_eq!(wrapper, helper, "{page} is not {netmem}");
        println!(
            "{page} and {netmem}: the same {} instructions",
            helper.iter().filter(|l| !l.starts_with("label")).count()
        );
        pairs += 1;
    }
    assert!(pairs >= 13, "only {pairs} pairs were found");
}
