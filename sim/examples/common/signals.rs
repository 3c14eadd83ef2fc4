//! Signals: an interruption is a wish to see what has arrived, and a limit on files is an error of a write.

use signal_hook::consts::{SIGINT, SIGTERM, SIGXCPU, SIGXFSZ};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// Whether SIGINT or SIGTERM has come, or SIGXCPU (`ulimit -t`).
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Notes the first signal. The second one ends the program at once.
    pub(crate) fn new() -> Result<Self, String> {
        let came = Arc::new(AtomicBool::new(false));
        let cannot = |signal| move |error| format!("cannot take note of signal {signal}: {error}");
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds nothing noted.
            flag::register_conditional_shutdown(signal, 128 + signal, came.clone()).map_err(cannot(signal))?;
            flag::register(signal, came.clone()).map_err(cannot(signal))?;
        }
        // This one comes every second.
        flag::register(SIGXCPU, came.clone()).map_err(cannot(SIGXCPU))?;
        Ok(Interrupt(came))
    }

    pub(crate) fn came(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Has a write beyond the limit on files (`ulimit -f`) fail, instead of ending the program.
pub(crate) fn let_long_writes_fail() -> Result<(), String> {
    let nobody_looks = Arc::new(AtomicBool::new(false));
    let registered = flag::register(SIGXFSZ, nobody_looks);
    registered.map(drop).map_err(|error| format!("cannot take note of signal {SIGXFSZ}: {error}"))
}
