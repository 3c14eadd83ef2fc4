//! What `receive` and the two ports have in common.

pub(crate) mod args;
pub(crate) mod check;
pub(crate) mod digest;
pub(crate) mod feed;
pub(crate) mod job;
pub(crate) mod limits;
pub(crate) mod output;
pub(crate) mod report;
pub(crate) mod signals;

use args::{Args, Program};
use job::AnyError;
use report::{Report, Verdict};
use signals::Interrupt;
use std::process::ExitCode;

/// Reads the command line, does what it asks for, and tells how that went.
pub(crate) fn main(
    name: &str,
    program: Program,
    help: &str,
    run: impl FnOnce(&Args, &Interrupt) -> Result<Report, AnyError>,
) -> ExitCode {
    let done = || -> Result<ExitCode, AnyError> {
        signals::let_long_writes_fail()?;
        let Some(args) = args::parse(program, std::env::args_os().skip(1))? else {
            return Ok(output::end(name, help, None, 0));
        };
        let report = run(&args, &Interrupt::new()?)?;
        let verdict = report.verdict();
        let sentence = match &verdict {
            Verdict::Right => None,
            Verdict::Interrupted => Some("interrupted, after what is told above".into()),
            Verdict::Wrong(why) | Verdict::Failed(why) => Some(why.clone()),
        };
        let sentence = sentence.as_ref().map(|sentence| sentence as &dyn std::fmt::Display);
        Ok(output::end(name, &report.text(args.json), sentence, verdict.status()))
    };
    done().unwrap_or_else(|error| {
        output::complain(name, &error);
        ExitCode::from(output::BAD_INPUT)
    })
}
