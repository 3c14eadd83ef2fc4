//! rustdoc's JSON of the four crates, made once, in a build directory of its own.

use public_api::PublicApi;
use rustdoc_types::{Crate, FORMAT_VERSION, Id};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

/// The public API of a crate: with all features.
pub(crate) struct Api {
    /// The file in docs that it is written down in.
    pub(crate) golden: &'static str,
    pub(crate) krate: Crate,
    /// What `public-api` says of it: one line an item.
    pub(crate) listing: PublicApi,
    /// The line of each item: how messages and exceptions name it. An item with several paths has the longest here,
    /// which is the one of its own module.
    pub(crate) lines: BTreeMap<Id, String>,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The packages, and where their API is written down: the proposal first.
const PACKAGES: [(&str, &str); 4] = [
    ("netmem", "docs/api.txt"),
    ("netmem-consumers", "docs/api-consumers.txt"),
    ("netmem-drivers", "docs/api-drivers.txt"),
    ("netmem-sim", "docs/api-sim.txt"),
];

/// The API of the proposal, or nothing where this toolchain's JSON is of another format: then it says so.
pub(crate) fn api() -> Option<&'static Api> {
    apis()?.first()
}

/// The APIs of all four, that of the proposal first.
pub(crate) fn apis() -> Option<&'static [Api]> {
    static APIS: OnceLock<Result<Vec<Api>, String>> = OnceLock::new();
    match APIS.get_or_init(|| PACKAGES.iter().map(|(package, golden)| make(package, golden)).collect()) {
        Ok(apis) => Some(apis),
        Err(why) => {
            println!("NOT RUN HERE: the public API needs rustdoc's JSON of format {FORMAT_VERSION} (Rust 1.95): {why}");
            None
        }
    }
}

fn make(package: &str, golden: &'static str) -> Result<Api, String> {
    let file = rustdoc(package)?;
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if value["format_version"] != FORMAT_VERSION {
        return Err(format!("this toolchain's is of format {}", value["format_version"]));
    }
    // From here on the format is the right one, so a failure is no reason to leave the test out.
    let krate: Crate = serde_json::from_value(value).expect("rustdoc's JSON is what its format says");
    let listing = public_api::Builder::from_rustdoc_json(file).omit_blanket_impls(true).build().expect("it is listed");
    let mut lines = BTreeMap::<Id, String>::new();
    for item in listing.items() {
        let line = item.to_string();
        let known = lines.entry(item.id()).or_default();
        if line.len() > known.len() {
            *known = line;
        }
    }
    Ok(Api { golden, krate, listing, lines })
}

/// Runs rustdoc. That the crate cannot be documented fails the test on the pinned toolchain, and is a reason on others.
fn rustdoc(package: &str) -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("api");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["rustdoc", "--lib", "--locked", "--quiet", "--all-features", "-p", package, "--target-dir"])
        .arg(&target);
    cargo.args(["--", "-Zunstable-options", "--output-format", "json", "--document-hidden-items"]).current_dir(root());
    cargo
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTDOCFLAGS")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET");
    let output = cargo.output().map_err(|error| format!("cargo does not run: {error}"))?;
    if output.status.success() {
        return Ok(target.join("doc").join(format!("{}.json", package.replace('-', "_"))));
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let version = Command::new(env!("CARGO")).arg("--version").output().map_err(|error| error.to_string())?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    assert!(!version.starts_with("cargo 1.95."), "rustdoc of the pinned toolchain makes no JSON:\n{said}");
    Err(format!("{}: {said}", version.trim()))
}

impl Api {
    pub(crate) fn line(&self, id: Id) -> &str {
        self.lines.get(&id).or_else(|| self.krate.index.get(&id)?.name.as_ref()).map_or("?", String::as_str)
    }
}

/// tests/api/made_up.rs, a crate of wrong signatures.
pub(crate) fn made_up() -> Option<&'static Crate> {
    static MADE_UP: OnceLock<Crate> = OnceLock::new();
    api()?;
    let krate = MADE_UP.get_or_init(|| {
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("made_up");
        let mut rustdoc = Command::new(env::var_os("RUSTDOC").unwrap_or_else(|| "rustdoc".into()));
        rustdoc.args(["--edition", "2024", "--crate-name", "made_up"]).arg(root().join("tests/api/made_up.rs"));
        rustdoc.args(["-Zunstable-options", "--output-format", "json", "-o"]).arg(&out).env("RUSTC_BOOTSTRAP", "1");
        let output = rustdoc.output().expect("rustdoc is beside rustc");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = fs::read_to_string(out.join("made_up.json")).expect("rustdoc has written it");
        serde_json::from_str(&text).expect("rustdoc's JSON is what its format says")
    });
    Some(krate)
}
