//! Does one hot path so many times, to be counted by callgrind: `benches/instructions.sh`.
//!
//! usage: `instructions CASE N`, where N is a multiple of 64, or `instructions --list` for the names of the cases, each
//! with a tab and the case whose loop is its overhead.

#[path = "../paths/mod.rs"]
mod paths;

use std::process::ExitCode;

fn main() -> ExitCode {
    // `cargo bench` adds --bench.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let cases = paths::cases();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => {
            for case in cases {
                println!("{}\t{}", case.name, case.overhead);
            }
            ExitCode::SUCCESS
        }
        [name, n] => {
            let Some(case) = cases.iter().find(|case| case.name == name) else {
                eprintln!("instructions: there is no case {name:?}: see --list");
                return ExitCode::from(2);
            };
            let n = match n.parse::<u64>() {
                Ok(n) if n % paths::BULK == 0 => n,
                _ => {
                    eprintln!("instructions: {n:?} is not a number of operations: give a multiple of {}", paths::BULK);
                    return ExitCode::from(2);
                }
            };
            (case.make)()(n);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: instructions CASE N | --list; benches/instructions.sh runs it");
            // `cargo bench` without a filter runs every bench: say what this one needs, and let the others go on.
            ExitCode::SUCCESS
        }
    }
}
