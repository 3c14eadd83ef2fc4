//! The command line.

use lexopt::prelude::*;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
Compare the layouts that this crate mirrors with those of a kernel.

usage: layout [OPTIONS] [PATH]

  PATH           raw BTF, an ELF file with a .BTF section (vmlinux), or facts
                 that --record wrote [/sys/kernel/btf/vmlinux]
  --record FILE  also write what was read as a small text file
  --name NAME    what to call the kernel [its release, or the file's name]
  -h, --help     this text

status: 0 all that matters agrees, 1 not so, 2 bad input
";

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) path: Option<PathBuf>,
    pub(crate) record: Option<PathBuf>,
    pub(crate) name: Option<String>,
}

/// Reads the command line. `None` when it asked for the help text.
pub(crate) fn parse() -> Result<Option<Args>, String> {
    let mut args = Args { path: None, record: None, name: None };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Long("record") => {
                let file = parser.value().map_err(|_| "--record needs the name of a file; see --help")?;
                args.record = Some(file.into());
            }
            Long("name") => {
                let name = parser.value().map_err(|_| "--name needs a name; see --help")?;
                let name = name.into_string().map_err(|name| format!("--name {name:?} is not UTF-8 text"))?;
                if name.is_empty() || name.contains(char::is_control) || name.trim() != name {
                    return Err(format!(
                        "--name {name:?} is not a name: use one line that neither begins nor ends blank"
                    ));
                }
                args.name = Some(name);
            }
            Short('h') | Long("help") => return Ok(None),
            Value(path) if args.path.is_none() => args.path = Some(path.into()),
            Value(path) => return Err(format!("{path:?} is one path too many: compare one kernel at a time")),
            other => return Err(format!("{}; see --help", other.unexpected())),
        }
    }
    Ok(Some(args))
}
