//! Packages made on the fly: many binaries, one cargo.

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

    /// Whether the crate itself did.
    pub(crate) fn library(&self) -> bool {
        self.compiled.contains(&("lib".to_owned(), "netmem".to_owned()))
    }
}

/// The target that a line of cargo's output reports as compiled, if it does.
fn compiled(line: &str) -> Option<(String, String)> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let target = message.get("target").filter(|_| message["reason"] == "compiler-artifact")?;
    Some((text(&target["kind"][0])?, text(&target["name"])?))
}

/// The build directory of all packages here, so that dependencies compile once.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile-fail").join("target")
}

fn crate_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Package {
    pub(crate) fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile-fail").join(name);
        fs::create_dir_all(dir.join("cases")).expect("the build directory can be written");
        Package { dir }
    }

    /// Where a binary of this package is, once built.
    pub(crate) fn binary(&self, id: &str) -> PathBuf {
        target().join("debug").join(id).with_extension(std::env::consts::EXE_EXTENSION)
    }

    /// Copies the crate, with `impls` as a module in it and with asserts that assert nothing.
    ///
    /// The module is one of the crate's root, or of the module that a line `//! within: page_pool` names.
    pub(crate) fn copy_crate(&self, impls: &str) -> PathBuf {
        let copy = self.dir.join("netmem");
        let mut sources = BTreeMap::new();
        collect(&crate_root().join("src"), Path::new("src"), &mut sources);
        let mut edit = |path: PathBuf, edit: &dyn Fn(&str) -> String| {
            let source = sources.get_mut(&path).unwrap_or_else(|| panic!("the crate has no {}", path.display()));
            *source = edit(source);
        };
        edit("src/assert.rs".into(), &|_| {
            "macro_rules! assert_not_impl_any { ($($t:tt)*) => {} }\npub(crate) use assert_not_impl_any;\n".to_owned()
        });
        let within = impls.lines().find_map(|line| line.strip_prefix("//! within: ")).map(str::trim);
        let dir = Path::new("src").join(within.unwrap_or_default());
        edit(dir.join(if within.is_some() { "mod.rs" } else { "lib.rs" }), &|parent| {
            format!("{parent}\nmod counterfactual;\n")
        });
        sources.insert(dir.join("counterfactual.rs"), impls.to_owned());
        let manifest = fs::read_to_string(crate_root().join("Cargo.toml")).expect("the crate has a manifest");
        sources.insert("Cargo.toml".into(), library_manifest(&manifest));
        for (path, source) in &sources {
            write(&copy.join(path), source);
        }
        // A module that is gone from the crate must not live on here.
        let mut there = BTreeMap::new();
        collect(&copy.join("src"), Path::new("src"), &mut there);
        for path in there.keys().filter(|path| !sources.contains_key(*path)) {
            fs::remove_file(copy.join(path)).expect("an old file can be removed");
        }
        copy
    }

    /// Writes the manifest down to its dependencies. [`cargo`](Self::cargo) adds the binaries.
    pub(crate) fn depend_on(&self, netmem: &Path) {
        let manifest = fs::read_to_string(crate_root().join("Cargo.toml")).expect("the crate has a manifest");
        let zerocopy = manifest.lines().find(|line| line.starts_with("zerocopy = ")).unwrap_or_default();
        let features = if cfg!(feature = "std") { "" } else { ", default-features = false" };
        let head = format!(
            "[package]\nname = \"cases\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n[workspace]\n\n\
             [profile.dev]\ndebug = false\nincremental = false\n\n\
             [dependencies]\nnetmem = {{ path = {netmem:?}{features} }}\n{zerocopy}\n",
        );
        write(&self.dir.join("cases").join("head.toml"), &head);
    }

    /// Checks or builds these binaries, and goes on where one fails.
    pub(crate) fn cargo(&self, command: &str, binaries: &BTreeMap<String, PathBuf>) -> Outcome {
        let dir = self.dir.join("cases");
        let mut manifest = fs::read_to_string(dir.join("head.toml")).expect("depend_on comes first");
        for (id, path) in binaries {
            manifest += &format!("\n[[bin]]\nname = {id:?}\npath = {:?}\n", crate_root().join(path));
        }
        write(&dir.join("Cargo.toml"), &manifest);
        // The versions the crate is tested with; cargo drops what is not needed here.
        if let Ok(lock) = fs::read_to_string(crate_root().join("Cargo.lock")) {
            fs::write(dir.join("Cargo.lock"), lock).expect("the build directory can be written");
        }
        let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .current_dir(&dir)
            .args([
                command,
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

/// The sections of a manifest that matter to who depends on the crate, as a workspace of its own. Lints stay behind:
/// what is forbidden need not be tidy.
fn library_manifest(manifest: &str) -> String {
    let keep = BTreeSet::from(["package", "lib", "features", "dependencies"]);
    let mut kept = String::from("[workspace]\n\n");
    let mut keeping = false;
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_start_matches('[').split(']').next().unwrap_or_default();
            keeping = keep.contains(section) || section.starts_with("dependencies.");
        }
        if keeping {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

/// Reads every file below `dir` into `files`, under `prefix`.
fn collect(dir: &Path, prefix: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let entry = entry.expect("a folder can be read to its end");
        let (path, prefix) = (entry.path(), prefix.join(entry.file_name()));
        if path.is_dir() {
            collect(&path, &prefix, files);
        } else if let Ok(source) = fs::read_to_string(&path) {
            files.insert(prefix, source);
        }
    }
}

/// Writes a file, but not when it would stay the same: cargo looks at the time.
fn write(path: &Path, content: &str) {
    if fs::read_to_string(path).is_ok_and(|old| old == content) {
        return;
    }
    fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the build directory can be written");
    fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
