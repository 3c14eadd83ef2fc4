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

use compare::Comparison;
use error::LayoutError;
use std::process::ExitCode;

/// What is wrong with what was asked for. Status 2.
const BAD_INPUT: u8 = 2;
/// A difference that matters. Status 1.
const DIFFERS: u8 = 1;

fn main() -> ExitCode {
    let args = match args::parse() {
        Ok(Some(args)) => args,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("layout: {error}");
            return ExitCode::from(BAD_INPUT);
        }
    };
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(DIFFERS),
        Err(error) => {
            eprintln!("layout: {error}");
            ExitCode::from(BAD_INPUT)
        }
    }
}

/// Whether all that matters agrees.
fn run(args: &args::Args) -> Result<bool, LayoutError> {
    let facts = input::read(args.path.as_deref(), args.name.as_deref())?;
    if let Some(file) = &args.record {
        facts.write(file)?;
    }
    let comparison = Comparison::with(&facts);
    println!(
        "The layouts of Linux {}, as this crate has them, and of {}:",
        netmem::memory::layout::LINUX,
        facts.kernel
    );
    println!("(bytes from..to in their struct)\n\n{comparison}");
    let meaning = meaning::of(&comparison);
    for sentence in &meaning {
        println!("- {}", sentence.text);
    }
    let agrees = !meaning.iter().any(|sentence| sentence.matters);
    println!("\n{}", if agrees { "All that matters agrees." } else { "Not all that matters agrees." });
    Ok(agrees)
}
