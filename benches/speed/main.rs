//! How long the hot paths take, side by side with what they compete with, in one run.
//!
//! Nanoseconds on a machine that others use, too, mean little: they drift by more than what is to be compared. So the
//! rounds of all rows are interleaved, each row keeps its least time of many short rounds, and what counts are ratios
//! of those. Harnesses that are kept well do something else: criterion and divan measure one function after the other
//! and print means; tango interleaves, but compares two builds of the same function. None takes a round from another
//! program, which DPDK's pools are here. The runner is a page of code.

#[path = "../paths/mod.rs"]
mod paths;

mod args;
mod channel;
mod dpdk;
mod peers;
mod plot;
mod report;
mod rows;
mod runner;
mod threads;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("speed: {error}");
            return ExitCode::from(2);
        }
    };
    let (mut rows, dpdk) = rows::rows();
    // Before this thread is kept on one.
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get());
    let before = report::load();
    threads::pin(0);
    let rows = runner::run(&mut rows, args.rounds);
    let results = report::Report { rounds: args.rounds, cpus, load: [before, report::load()], dpdk, rows };
    print!("{results}");
    for (file, text) in [(&args.json, results.json()), (&args.plot, plot::svg(&results))] {
        if let Some(file) = file {
            if let Err(error) = std::fs::write(file, text) {
                eprintln!("speed: cannot write {}: {error}", file.display());
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}
