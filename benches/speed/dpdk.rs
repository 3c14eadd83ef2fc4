//! DPDK's pools, in a program of their own that does a round when asked.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The program, running.
pub(crate) struct Dpdk {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Of the library.
    pub(crate) version: String,
}

impl Dpdk {
    /// Builds and starts it. The error says why it cannot run here.
    pub(crate) fn start() -> Result<Rc<RefCell<Self>>, String> {
        let program = Path::new(ROOT).join("target/dpdk/bench");
        let build = Path::new(ROOT).join("benches/dpdk/build.sh");
        let built = Command::new(&build).arg(&program).output().map_err(|error| format!("{build:?}: {error}"))?;
        let said = String::from_utf8_lossy(&built.stdout).trim().to_owned();
        match built.status.code() {
            Some(0) => {}
            Some(3) => return Err(said),
            _ => return Err(format!("it does not build: {}", String::from_utf8_lossy(&built.stderr))),
        }
        let mut child = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program:?} does not start: {error}"))?;
        let (Some(ask), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("its pipes are not there".into());
        };
        let mut dpdk = Dpdk { child, ask, answers: BufReader::new(answers), version: said };
        dpdk.round("mempool-1", 64)?;
        Ok(Rc::new(RefCell::new(dpdk)))
    }

    /// Does `n` operations. Nanoseconds.
    pub(crate) fn round(&mut self, case: &str, n: u64) -> Result<u64, String> {
        let mut answer = String::new();
        writeln!(self.ask, "{case} {n}")
            .and_then(|()| self.answers.read_line(&mut answer))
            .map_err(|error| format!("no answer to {case}: {error}"))?;
        answer.trim().parse().map_err(|_| format!("it answers {:?} to {case}", answer.trim()))
    }
}

impl Drop for Dpdk {
    fn drop(&mut self) {
        // Its input ends with it. Nothing more can be done if it does not.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
