//! Compares the layouts that the crate mirrors with those of a kernel, read from its BTF, and says what follows.
#![forbid(unsafe_code)]

mod args;
mod bits;
mod btf;
mod compare;
mod error;
mod facts;
mod input;
mod meaning;
#[path = "../common/output.rs"]
mod output;
#[path = "../common/signals.rs"]
#[allow(dead_code, reason = "each example uses its part of it")]
mod signals;

use compare::Comparison;
use std::error::Error;
use std::fmt::Write;
use std::process::ExitCode;

/// A difference that matters. Status 1; bad input is 2.
const DIFFERS: u8 = 1;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        output::complain("layout", &error);
        ExitCode::from(output::BAD_INPUT)
    })
}

/// Status 0 if all that matters agrees.
fn run() -> Result<ExitCode, Box<dyn Error>> {
    signals::let_long_writes_fail()?;
    let Some(args) = args::parse()? else { return Ok(output::end("layout", args::HELP, None, 0)) };
    let facts = input::read(args.path.as_deref(), args.name.as_deref())?;
    if let Some(file) = &args.record {
        facts.write(file)?;
    }
    let comparison = Comparison::with(&facts);
    let (linux, kernel) = (netmem::memory::layout::LINUX, &facts.kernel);
    let mut text = format!("The layouts of Linux {linux}, as this crate has them, and of {kernel}:\n");
    writeln!(text, "(bytes from..to in their struct)\n\n{comparison}")?;
    let meaning = meaning::of(&comparison);
    for sentence in &meaning {
        writeln!(text, "- {}", sentence.text)?;
    }
    let agrees = !meaning.iter().any(|sentence| sentence.matters);
    writeln!(text, "\n{}", if agrees { "All that matters agrees." } else { "Not all that matters agrees." })?;
    Ok(output::end("layout", &text, None, if agrees { 0 } else { DIFFERS }))
}
