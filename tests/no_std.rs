//! Without default features there is no std in the crate, and `memory` needs nothing but core.

use std::path::Path;
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Builds `tests/no_std` in the build directory, with the lock file of the crate: the same versions, nothing looked up.
fn build(features: &[&str]) -> Output {
    let (from, to) = (Path::new(ROOT).join("tests/no_std"), Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_std"));
    std::fs::create_dir_all(to.join("src")).unwrap();
    let manifest = std::fs::read_to_string(from.join("Cargo.toml")).unwrap();
    std::fs::write(to.join("Cargo.toml"), manifest.replace("\"../..\"", &format!("{ROOT:?}"))).unwrap();
    std::fs::copy(from.join("src/lib.rs"), to.join("src/lib.rs")).unwrap();
    std::fs::copy(Path::new(ROOT).join("Cargo.lock"), to.join("Cargo.lock")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg("build").args(features).current_dir(&to).env("CARGO_TARGET_DIR", to.join("target")).output().unwrap()
}

/// A program with its own panic handler cannot have std in it: there would be two.
#[test]
fn no_std_is_linked() {
    let output = build(&[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let control = build(&["--features", "std"]);
    let said = String::from_utf8_lossy(&control.stderr);
    assert!(!control.status.success() && said.contains("panic_impl"), "the control has std and must not build: {said}");
}

/// `src/memory` as a crate of its own: rustc is given no dependency at all.
#[test]
fn memory_needs_core_alone() {
    let memory = Path::new(ROOT).join("src/memory/mod.rs");
    let source = format!(
        r#"
        #![no_std]
        #![allow(dead_code, unused, rustdoc::all)]
        // The assertions have been checked in the crate; here they stand for nothing.
        extern crate self as static_assertions;
        #[macro_export] macro_rules! assert_impl_all {{ ($($t:tt)*) => {{}} }}
        #[macro_export] macro_rules! assert_eq_size {{ ($($t:tt)*) => {{}} }}
        mod assert {{ macro_rules! none {{ ($($t:tt)*) => {{}} }} pub(crate) use none as assert_not_impl_any; }}
        mod sync {{ pub(crate) use core::sync::atomic::*; }}
        #[path = {memory:?}]
        pub mod memory;
        pub use memory::*;
        "#
    );
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (file, out) = (tmp.join("memory_alone.rs"), tmp.join("libmemory_alone.rmeta"));
    std::fs::write(&file, source).unwrap();
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let output = Command::new(rustc)
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "-o"])
        .args([&out, &file])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
