//! There is no std in the crate, nor in those of the consumers and of the drivers, and `memory` needs nothing but core.

use std::path::Path;
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Builds `tests/no_std` in the build directory, with the lock file of the crate: the same versions, nothing looked up.
fn build(features: &[&str]) -> Output {
    let (from, to) = (Path::new(ROOT).join("tests/no_std"), Path::new(env!("CARGO_TARGET_TMPDIR")).join("no_std"));
    std::fs::create_dir_all(to.join("src")).unwrap();
    let manifest = std::fs::read_to_string(from.join("Cargo.toml")).unwrap();
    std::fs::write(to.join("Cargo.toml"), manifest.replace("\"../..", &format!("\"{ROOT}"))).unwrap();
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

/// Compiles `src/memory` as a crate of its own, followed by `more`: rustc is given no dependency at all.
fn memory_alone(name: &str, args: &[&str], more: &str) -> Output {
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
        {more}
        "#
    );
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (file, out) = (tmp.join(format!("{name}.rs")), tmp.join(format!("lib{name}.rmeta")));
    std::fs::write(&file, source).unwrap();
    let mut rustc = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into()));
    rustc.args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "-o"]).args([&out, &file]);
    rustc.args(args).output().unwrap()
}

#[test]
fn memory_needs_core_alone() {
    let output = memory_alone("memory_alone", &[], "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// With the cfg, net_iov's tail is that of 6.18; without it, the same claim does not compile. The library checks itself
/// at compile time either way.
#[test]
fn a_cfg_gives_the_tail_of_6_18() {
    let claim = r#"
        const _: () = {
            use memory::layout::{LINUX, Mirror};
            let [_, owner, ty] = NetIov::FIELDS else { panic!("three fields") };
            assert!(owner.offset == 48 && owner.size == 8 && ty.offset == 56 && ty.size == 8);
            assert!(matches!(LINUX.as_bytes(), b"6.18") && matches!(ty.c_name.as_bytes(), b"type"));
        };
    "#;
    let with = memory_alone("memory_6_18", &["--cfg", "netmem_linux=\"6.18\""], claim);
    assert!(with.status.success(), "{}", String::from_utf8_lossy(&with.stderr));
    let without = memory_alone("memory_7_3", &[], claim);
    let said = String::from_utf8_lossy(&without.stderr);
    assert!(!without.status.success() && said.contains("E0080"), "without the cfg the tail is that of 7.3: {said}");
}
