//! Atomics, the slow-path lock and a canary: `core` and `spin` normally, loom under its model checker.

#[cfg(not(loom))]
mod imp {
    pub(crate) use core::sync::atomic::{AtomicI32, AtomicIsize, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence};

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

    /// Stands for plain memory that threads hand to each other, which loom does not see: under loom it notes who uses
    /// that memory and who has it alone, and a use that is not ordered before its end fails the model. Nothing here.
    pub(crate) struct Alive;

    impl Alive {
        pub(crate) const fn new() -> Self {
            Alive
        }

        /// The memory is used, beside others.
        #[inline(always)]
        pub(crate) fn used(&self) {}

        /// The memory is used, and nobody else uses it. Dropping the canary is the last such use.
        #[inline(always)]
        pub(crate) fn owned(&self) {}
    }
}

#[cfg(loom)]
mod imp {
    use core::sync::atomic::Ordering::{self, Relaxed};
    use loom::sync::atomic;
    pub(crate) use loom::sync::atomic::fence;

    /// An atomic of loom's whose accesses loom tries in every order.
    ///
    /// loom 0.7 compares an access with the last one alone, so a load of the thread's own hides the one that another
    /// thread did before it, and orders are never tried (tokio-rs/loom issues 166 and 392): those of every counter that
    /// is looked at before it is counted down. A read-modify-write of `turn` before each access depends on all others.
    /// It is relaxed, so it orders nothing for the model.
    macro_rules! atomic {
        ($name:ident $(<$t:ident>)?, $value:ty, $($rmw:ident),*) => {
            #[derive(Debug)]
            pub(crate) struct $name $(<$t>)? {
                turn: atomic::AtomicU32,
                word: atomic::$name $(<$t>)?,
            }

            #[allow(dead_code, reason = "not every atomic is used in every way")]
            impl $(<$t>)? $name $(<$t>)? {
                pub(crate) fn new(value: $value) -> Self {
                    $name { turn: atomic::AtomicU32::new(0), word: atomic::$name::new(value) }
                }

                fn word(&self) -> &atomic::$name $(<$t>)? {
                    self.turn.fetch_add(0, Relaxed);
                    &self.word
                }

                pub(crate) fn load(&self, order: Ordering) -> $value {
                    self.word().load(order)
                }

                pub(crate) fn store(&self, value: $value, order: Ordering) {
                    self.word().store(value, order);
                }

                $(pub(crate) fn $rmw(&self, value: $value, order: Ordering) -> $value {
                    self.word().$rmw(value, order)
                })*

                pub(crate) fn compare_exchange_weak(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.word().compare_exchange_weak(current, new, success, failure)
                }
            }
        };
    }
    atomic!(AtomicI32, i32, fetch_add, fetch_sub);
    atomic!(AtomicIsize, isize, fetch_add, fetch_sub);
    atomic!(AtomicPtr<T>, *mut T,);
    atomic!(AtomicU32, u32,);
    atomic!(AtomicU64, u64, fetch_add);
    atomic!(AtomicUsize, usize, fetch_add, fetch_sub, fetch_or);

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

    pub(crate) struct Alive(loom::cell::UnsafeCell<()>);

    // SAFETY: there is no data in it; loom checks who reads and who writes.
    unsafe impl Sync for Alive {}

    impl Alive {
        pub(crate) fn new() -> Self {
            Alive(loom::cell::UnsafeCell::new(()))
        }

        pub(crate) fn used(&self) {
            self.0.with(|_| ());
        }

        pub(crate) fn owned(&self) {
            self.0.with_mut(|_| ());
        }
    }

    impl Drop for Alive {
        fn drop(&mut self) {
            // After a failure the model is being torn down in no order.
            if !std::thread::panicking() {
                self.owned();
            }
        }
    }
}

pub(crate) use imp::*;
