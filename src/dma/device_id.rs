//! [`DeviceId`]: which device it is.

use crate::assert::assert_not_impl_any;
use core::fmt;
#[cfg(not(netmem_backend = "linux"))]
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Names a device. Two devices never have the same one, and it is not used again after the device is gone (rule O5).
///
/// A device draws it when it is made, and returns it from [`DmaDevice::id`](super::DmaDevice::id). A pool, an area and a
/// binding remember the one of their device, and are asked with another: so "is it mapped for this device?" is a
/// comparison of two values, and does not depend on where a device lies in memory.
///
/// ```
/// use netmem_sim::dma::Coherent;
/// use netmem::dma::{DeviceId, DmaDevice};
///
/// let (one, other) = (Coherent::new(), Coherent::new());
/// assert_eq!(one.id(), one.id());
/// assert_ne!(one.id(), other.id());
/// assert_ne!(one.id(), DeviceId::new());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceId(u64);

assert_not_impl_any!(DeviceId: Default, From<u64>, zerocopy::FromZeros, zerocopy::TryFromBytes);

/// Counts the identities that were drawn. 64 bits do not come round: at one device a nanosecond they last 584 years. It
/// is an atomic of core's under loom, too, because no model is about it.
#[cfg(not(netmem_backend = "linux"))]
static DRAWN: AtomicU64 = AtomicU64::new(0);

#[cfg(not(netmem_backend = "linux"))]
impl DeviceId {
    /// Draws an identity that no other device has.
    #[expect(
        clippy::new_without_default,
        reason = "each call gives another one, and `Default` is for a value that is the same"
    )]
    pub fn new() -> Self {
        DeviceId(DRAWN.fetch_add(1, Relaxed))
    }
}

/// Over a kernel, the identity of a device is its `struct device`.
#[cfg(netmem_backend = "linux")]
impl DeviceId {
    /// Returns the identity of a device of the kernel's.
    ///
    /// # Safety
    ///
    /// `device` is a `struct device` to which the caller holds a reference for as long as it, a pool or a mapping uses the identity:
    /// so no other device can have the address meanwhile.
    pub unsafe fn from_raw(device: core::ptr::NonNull<core::ffi::c_void>) -> Self {
        DeviceId(device.as_ptr().expose_provenance() as u64)
    }

    /// Returns the `struct device`.
    pub(crate) fn as_ptr(self) -> *mut core::ffi::c_void {
        core::ptr::with_exposed_provenance_mut(self.0 as usize)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({})", self.0)
    }
}
