//! Packages made on the fly: many binaries, one cargo.

use crate::suite::{package, repository};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package below the build directory that depends on the crate, or on a copy of it.
pub(crate) struct Package {
    dir: PathBuf,
}

/// What cargo said.
pub(crate) struct Outcome {
    /// Kind and name of each target that compiled: `bin`, `C1_into`.
    compiled: BTreeSet<(String, String)>,
    /// The errors, as rustc would show them.
    pub(crate) stderr: String,
}

impl Outcome {
    /// Whether this binary compiled.
    pub(crate) fn binary(&self, id: &str) -> bool {
        self.compiled.contains(&("bin".to_owned(), id.to_owned()))
    }

    /// Returns whether the crate itself compiled, and `netmem-consumers` too if there are impls in it.
    pub(crate) fn libraries(&self, consumers: bool) -> bool {
        let compiled = |name: &str| self.compiled.contains(&("lib".to_owned(), name.to_owned()));
        compiled("netmem") && (!consumers || compiled("netmem_consumers"))
    }
}

/// The target that a line of cargo's output reports as compiled, if it does.
fn compiled(line: &str) -> Option<(String, String)> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let target = message.get("target").filter(|_| message["reason"] == "compiler-artifact")?;
    Some((text(&target["kind"][0])?, text(&target["name"])?))
}

/// `src/assert.rs` for a copy in which forbidden impls exist.
const NO_ASSERTS: &str =
    "macro_rules! assert_not_impl_any { ($($t:tt)*) => {} }\npub(crate) use assert_not_impl_any;\n";

/// The build directory of all packages here, so that dependencies compile once.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile-fail").join("target")
}

fn manifest(folder: &Path) -> String {
    let path = folder.join("Cargo.toml");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Package {
    pub(crate) fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile-fail").join(name);
        fs::create_dir_all(dir.join("cases")).expect("the build directory can be written");
        Package { dir }
    }

    /// Copies the crate and `netmem-consumers`, each with its impls as a module of its root, and with asserts that assert
    /// nothing.
    pub(crate) fn copy_crate(&self, impls: Option<&str>, consumers: Option<&str>) -> PathBuf {
        let copy = self.dir.join("netmem");
        let mut files = BTreeMap::new();
        // What lies beside the source may be included in it.
        for name in ["src", "docs", "README.md", "RFC.md", "consumers/src"] {
            collect(&repository().join(name), Path::new(name), &mut files);
        }
        for (folder, impls) in [("src", impls), ("consumers/src", consumers)] {
            let Some(impls) = impls else { continue };
            let folder = Path::new(folder);
            let root = files.get_mut(&folder.join("lib.rs")).expect("a crate has a src/lib.rs");
            root.extend_from_slice(b"\nmod counterfactual;\n");
            files.insert(folder.join("counterfactual.rs"), impls.into());
        }
        for asserts in ["src/assert.rs", "consumers/src/assert.rs"] {
            let there = files.insert(asserts.into(), NO_ASSERTS.into());
            assert!(there.is_some(), "there is no {asserts}: say here where the crate's negative asserts come from");
        }
        let root = format!("[workspace]\nmembers = [\"consumers\"]\n\n{}", library_manifest(&manifest(repository())));
        files.insert("Cargo.toml".into(), root.into());
        let consumers = library_manifest(&manifest(&repository().join("consumers")));
        files.insert("consumers/Cargo.toml".into(), consumers.into());
        for (path, content) in &files {
            write(&copy.join(path), content);
        }
        // A module that is gone from a crate must not live on here.
        let mut there = BTreeMap::new();
        for name in ["src", "consumers/src"] {
            collect(&copy.join(name), Path::new(name), &mut there);
        }
        for path in there.keys().filter(|path| !files.contains_key(*path)) {
            fs::remove_file(copy.join(path)).expect("an old file can be removed");
        }
        copy
    }

    /// Checks these binaries against the crate in `netmem`, and goes on where one fails.
    pub(crate) fn check(&self, netmem: &Path, binaries: &BTreeMap<String, PathBuf>) -> Outcome {
        let dir = self.dir.join("cases");
        let own = manifest(package());
        // Built for those that name it alone: a counterfactual copy of it takes as long as all its cases.
        let names_it = |path: &PathBuf| {
            fs::read_to_string(package().join(path)).is_ok_and(|source| source.contains("netmem_consumers"))
        };
        let consumers = match binaries.values().any(names_it) {
            true => format!("netmem-consumers = {{ path = {:?} }}\n", netmem.join("consumers")),
            false => String::new(),
        };
        let zerocopy = own.lines().find(|line| line.starts_with("zerocopy = ")).unwrap_or_default();
        let mut manifest = format!(
            "[package]\nname = \"cases\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n[workspace]\n\n\
             [profile.dev]\ndebug = false\nincremental = false\n\n\
             [dependencies]\nnetmem = {{ path = {netmem:?} }}\n\
             {consumers}{zerocopy}\n",
        );
        for (id, path) in binaries {
            manifest += &format!("\n[[bin]]\nname = {id:?}\npath = {:?}\n", package().join(path));
        }
        write(&dir.join("Cargo.toml"), manifest.as_bytes());
        // The versions the crate is tested with; cargo drops what is not needed here.
        if let Ok(lock) = fs::read_to_string(repository().join("Cargo.lock")) {
            fs::write(dir.join("Cargo.lock"), lock).expect("the build directory can be written");
        }
        let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .current_dir(&dir)
            .args([
                "check",
                "--offline",
                "--quiet",
                "--bins",
                "--keep-going",
                "--message-format=json-render-diagnostics",
            ])
            .env("CARGO_TARGET_DIR", target())
            .env("RUSTFLAGS", "--cap-lints=allow")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .output()
            .expect("cargo can be run");
        Outcome {
            compiled: String::from_utf8_lossy(&output.stdout).lines().filter_map(compiled).collect(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The sections of a manifest that matter to who depends on the crate. Lints stay behind:
/// what is forbidden need not be tidy.
fn library_manifest(manifest: &str) -> String {
    let keep =
        BTreeSet::from(["workspace.package", "workspace.dependencies", "package", "lib", "features", "dependencies"]);
    let mut kept = String::new();
    let mut keeping = false;
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_start_matches('[').split(']').next().unwrap_or_default();
            keeping = keep.contains(section)
                || section.starts_with("dependencies.")
                || section.starts_with("target.") && section.ends_with(".dependencies");
        }
        if keeping {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

/// Reads `path`, or every file below it, into `files`, under `name`. Nothing when there is no such path.
fn collect(path: &Path, name: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    if let Ok(content) = fs::read(path) {
        files.insert(name.to_owned(), content);
    } else if let Ok(entries) = fs::read_dir(path) {
        for entry in entries {
            let entry = entry.expect("a folder can be read to its end");
            collect(&entry.path(), &name.join(entry.file_name()), files);
        }
    }
}

/// Writes a file, but not when it would stay the same: cargo looks at the time.
fn write(path: &Path, content: &[u8]) {
    if fs::read(path).is_ok_and(|old| old == content) {
        return;
    }
    fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the build directory can be written");
    fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
