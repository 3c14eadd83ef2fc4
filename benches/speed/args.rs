//! The command line.

use lexopt::prelude::*;
use std::path::PathBuf;

const HELP: &str = "\
Measure the hot paths side by side with what they compete with.

usage: cargo bench --bench speed -- [OPTIONS]

  --rounds N   how many rounds of each row [500]
  --quick      200 rounds
  --json FILE  also write what was measured
  --plot FILE  also draw the ratios, as SVG
  -h, --help   this text
";

/// What was asked for.
pub(crate) struct Args {
    pub(crate) rounds: usize,
    pub(crate) json: Option<PathBuf>,
    pub(crate) plot: Option<PathBuf>,
}

/// Reads the command line. `None` when it asked for the help text.
pub(crate) fn parse() -> Result<Option<Args>, String> {
    let mut args = Args { rounds: 500, json: None, plot: None };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Long("rounds") => {
                let rounds = parser.value().map_err(|_| "--rounds needs a number; see --help")?;
                let many = rounds.to_str().and_then(|rounds| rounds.parse().ok());
                args.rounds = many
                    .filter(|rounds| (1..=100_000).contains(rounds))
                    .ok_or_else(|| format!("--rounds {rounds:?}: give a number from 1 to 100000"))?;
            }
            Long("quick") => args.rounds = 200,
            Long("json") => {
                args.json = Some(parser.value().map_err(|_| "--json needs the name of a file; see --help")?.into());
            }
            Long("plot") => {
                args.plot = Some(parser.value().map_err(|_| "--plot needs the name of a file; see --help")?.into());
            }
            Long("bench") => {} // says `cargo bench`
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(None);
            }
            other => return Err(format!("{}; see --help", other.unexpected())),
        }
    }
    Ok(Some(args))
}
