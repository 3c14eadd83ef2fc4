//! A driver receives on two queues: one into host memory, one, with header split, into device memory that the CPU
//! cannot read. Every byte is checked by who may read it: the host, and the "GPU" that owns the device memory.
#![forbid(unsafe_code)]

mod args;
mod check;
mod digest;
mod report;
mod rig;

use std::process::ExitCode;

/// What is wrong with what was asked for. Status 2.
pub(crate) const BAD_INPUT: u8 = 2;
/// A byte differed, or something leaked. Status 1.
pub(crate) const WRONG: u8 = 1;

fn main() -> ExitCode {
    let args = match args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("receive: {error}");
            return ExitCode::from(BAD_INPUT);
        }
    };
    match rig::run(&args) {
        Ok(report) => {
            report.print(args.json);
            match report.verdict() {
                Ok(()) => ExitCode::SUCCESS,
                Err(wrong) => {
                    eprintln!("receive: {wrong}");
                    ExitCode::from(WRONG)
                }
            }
        }
        Err(error) => {
            eprintln!("receive: {error}");
            ExitCode::from(BAD_INPUT)
        }
    }
}
