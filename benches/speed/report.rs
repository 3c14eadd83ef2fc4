//! What is told: a table, and the same as JSON.

use super::rows::RATIOS;
use super::runner::{Measured, median};
use std::fmt;
use std::process::Command;

/// All that was measured in one run.
pub(crate) struct Report {
    pub(crate) rounds: usize,
    /// How many processors there are.
    pub(crate) cpus: usize,
    /// How many threads wanted a processor before and after, on the average of a minute.
    pub(crate) load: [f64; 2],
    /// DPDK's version, or why it did not run.
    pub(crate) dpdk: Result<String, String>,
    pub(crate) rows: Vec<Measured>,
}

/// One ratio of this run.
pub(crate) struct Compared {
    pub(crate) this: &'static str,
    pub(crate) that: &'static str,
    /// Of the least times.
    pub(crate) ratio: f64,
    /// The median of the ratios of each round.
    pub(crate) median: f64,
    pub(crate) aim: Option<f64>,
}

/// How many threads want a processor, on the average of the last minute. 0 where nobody says.
pub(crate) fn load() -> f64 {
    let said = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    said.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// What the processor calls itself.
fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let name = field("model name").unwrap_or_else(|| "an unknown processor".into());
    match (field("cpu family"), field("model")) {
        (Some(family), Some(model)) => format!("{name} (family {family}, model {model})"),
        _ => name,
    }
}

/// The compiler that the toolchain file names.
fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if said.is_empty() { "rustc unknown".into() } else { said }
}

impl Report {
    /// The machine and the tools.
    pub(crate) fn machine(&self) -> String {
        format!("{}, {} processors; {}", cpu(), self.cpus, rustc())
    }

    fn row(&self, name: &str) -> Option<&Measured> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// The ratios of which both sides were measured.
    pub(crate) fn ratios(&self) -> Vec<Compared> {
        let compare = |ratio: &super::rows::Ratio| {
            let (this, that) = (self.row(ratio.this)?, self.row(ratio.that)?);
            let each = this.rounds.iter().zip(&that.rounds).map(|(this, that)| this / that).collect();
            Some(Compared {
                this: ratio.this,
                that: ratio.that,
                ratio: this.least / that.least,
                median: median(each),
                aim: ratio.aim,
            })
        };
        RATIOS.iter().filter_map(compare).collect()
    }

    /// The same for a program.
    pub(crate) fn json(&self) -> String {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                serde_json::json!({
                    "group": row.group, "name": row.name, "peer": row.peer, "least_ns": row.least, "median_ns": row.median,
                })
            })
            .collect();
        let ratios: Vec<_> = self
            .ratios()
            .iter()
            .map(|it| {
                serde_json::json!({
                    "this": it.this, "that": it.that, "of_least": it.ratio, "median": it.median, "aim": it.aim,
                })
            })
            .collect();
        let report = serde_json::json!({
            "machine": self.machine(), "rounds": self.rounds, "load": self.load, "dpdk": self.dpdk.as_ref().ok(), "rows": rows,
            "ratios": ratios,
        });
        format!("{report:#}\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine())?;
        match &self.dpdk {
            Ok(version) => writeln!(f, "DPDK {version}")?,
            Err(why) => writeln!(f, "NOT RUN HERE: DPDK: {why}")?,
        }
        let [before, after] = self.load;
        let busy = if before.max(after) > self.cpus as f64 + 1.0 {
            ": others run, too; believe two threads only where least and median are close"
        } else {
            ""
        };
        writeln!(f, "Load average {before:.1} before, {after:.1} after{busy}")?;
        writeln!(
            f,
            "One operation is one out and its return, with the loop around it. Nanoseconds, least and median of {} \
             interleaved rounds.",
            self.rounds
        )?;
        let mut group = "";
        for row in &self.rows {
            if row.group != group {
                group = row.group;
                writeln!(f, "\n{:>8} {:>8}  {group}", "least", "median")?;
            }
            writeln!(f, "{:8.2} {:8.2}  {}{}", row.least, row.median, row.name, if row.peer { "  *" } else { "" })?;
        }
        writeln!(f, "\n* not of this crate\n\nratios: of the least times, and the median of those of each round\n")?;
        writeln!(f, "{:>8} {:>8} {:>8}", "least", "median", "aim")?;
        for it in self.ratios() {
            let aim = it.aim.map(|aim| format!("{aim:.2}")).unwrap_or_default();
            let missed = if it.aim.is_some_and(|aim| it.ratio > aim) { "  <-- above the aim" } else { "" };
            writeln!(f, "{:8.2} {:8.2} {aim:>8}  {} / {}{missed}", it.ratio, it.median, it.this, it.that)?;
        }
        Ok(())
    }
}
