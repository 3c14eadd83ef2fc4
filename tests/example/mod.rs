//! An example of this crate, as a program to run.

use netmem_sim::nic::traffic::HAS_TAP;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// One example.
pub(crate) struct Example {
    name: &'static str,
    built: OnceLock<PathBuf>,
}

impl Example {
    pub(crate) const fn new(name: &'static str) -> Self {
        Example { name, built: OnceLock::new() }
    }

    /// Where it is. Built first, like these tests are: with TAP if they have it.
    pub(crate) fn path(&self) -> &Path {
        self.built.get_or_init(|| {
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--quiet", "--example", self.name]).current_dir(env!("CARGO_MANIFEST_DIR"));
            if HAS_TAP {
                build.args(["--features", "netmem-sim/tap"]);
            }
            if !cfg!(debug_assertions) {
                build.arg("--release");
            }
            assert!(build.status().unwrap().success(), "the example does not build");
            let deps = std::env::current_exe().unwrap();
            deps.parent().and_then(Path::parent).unwrap().join("examples").join(self.name)
        })
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        Command::new(self.path()).args(args).output().unwrap()
    }

    /// It ends in this status and says this.
    pub(crate) fn fails(&self, args: &[&str], status: i32, text: &str) -> Output {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
        assert!(said.contains(text), "{args:?} says {said:?} and not {text:?}");
        output
    }
}
