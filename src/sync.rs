//! Atomics and the slow-path lock: `core` and `spin` normally, loom under its model checker.

#[cfg(not(loom))]
mod imp {
    pub(crate) use core::sync::atomic::{
        AtomicBool, AtomicI32, AtomicIsize, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence,
    };

    /// Tells the processor that this thread waits for another one.
    #[inline]
    pub(crate) fn spin() {
        core::hint::spin_loop();
    }

    /// A lock for slow paths. The closure must not call a provider, a hook or a device's owner.
    #[derive(Debug, Default)]
    pub(crate) struct Lock<T>(spin::Mutex<T>);

    impl<T> Lock<T> {
        pub(crate) const fn new(value: T) -> Self {
            Lock(spin::Mutex::new(value))
        }

        pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
            f(&mut self.0.lock())
        }
    }
}

#[cfg(loom)]
mod imp {
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicI32, AtomicIsize, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence,
    };

    pub(crate) fn spin() {
        loom::thread::yield_now();
    }

    #[derive(Debug, Default)]
    pub(crate) struct Lock<T>(loom::sync::Mutex<T>);

    impl<T> Lock<T> {
        pub(crate) fn new(value: T) -> Self {
            Lock(loom::sync::Mutex::new(value))
        }

        pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
            f(&mut self.0.lock().expect("a holder of this lock panicked; the model has failed already"))
        }
    }
}

pub(crate) use imp::*;
