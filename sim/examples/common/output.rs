//! What a program says, and in which status it ends. A reader that has gone away is no mistake; a full disk is one.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// What was asked for cannot be done, or its result cannot be written.
pub(crate) const BAD_INPUT: u8 = 2;

/// Writes to standard output. A pipe that nobody reads any more is fine: `| head -1` has what it wants.
pub(crate) fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            Err(format!("cannot write to standard output: {error}; raise the limit of this shell (ulimit -f)"))
        }
        Err(error) => Err(format!("cannot write to standard output: {error}; make room, or write elsewhere")),
        Ok(()) => Ok(()),
    }
}

/// Says a sentence on standard error. There is nobody to tell if that fails.
pub(crate) fn complain(program: &str, sentence: &dyn Display) {
    let _ = writeln!(io::stderr(), "{program}: {sentence}");
}

/// Writes `text`, says `sentence` if there is one, and ends in `status`, unless the text could not be written.
pub(crate) fn end(program: &str, text: &str, sentence: Option<&dyn Display>, status: u8) -> ExitCode {
    let printed = print(text);
    if let Some(sentence) = sentence {
        complain(program, sentence);
    }
    match printed {
        Ok(()) => ExitCode::from(status),
        Err(error) => {
            complain(program, &error);
            ExitCode::from(BAD_INPUT)
        }
    }
}
