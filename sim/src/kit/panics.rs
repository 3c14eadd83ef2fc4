//! What must panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `f`, which must panic, and returns the message.
///
/// # Panics
///
/// If `f` returns.
///
/// ```
/// assert_eq!(netmem_sim::kit::panics(|| panic!("no such queue")), "no such queue");
/// ```
#[track_caller]
pub fn panics<R>(f: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it should have panicked"),
        Err(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or_default().into(),
        },
    }
}
