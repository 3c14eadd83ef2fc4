//! The lock of slow paths.

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
