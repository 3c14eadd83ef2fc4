//! The lock of the models. The table of addresses is compiled over loom's by `tests/loom`, which has a module of this name.

pub(crate) use std::sync::atomic::AtomicU64;

use std::sync::{Mutex, PoisonError};

/// A lock whose holder may panic: what it guards is whole between two statements.
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Lock(Mutex::new(value))
    }

    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
