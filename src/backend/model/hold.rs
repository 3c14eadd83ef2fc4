//! [`PoolMapping`]: keeps mapped the memory of a pool that a device has.

use super::mapping::PoolDma;
use super::shared::Shared;
use crate::alloc::Arc;
use crate::assert::assert_not_impl_any;
use crate::backend::Mapping;
use crate::dma::DeviceId;
use crate::memory::Kind;
use crate::page_pool::Frag;
use core::ops::Range;

/// Keeps mapped what a pool has mapped, while a device has some of it (rule D5): a pool may go before a ring that has posted
/// its memory.
///
/// # Invariants
///
/// One of the parts of `holders` is this value's.
pub(crate) struct PoolMapping(Arc<PoolDma>);

assert_not_impl_any!(PoolMapping: Clone, Copy, Default);

/// Returns what the pool of a frag does with its device; `None` when it does not map.
#[inline]
fn dma_of<K: Kind>(frag: &Frag<K>) -> Option<&Arc<PoolDma>> {
    // SAFETY: the frag is a reference to memory of a pool.
    unsafe { Shared::of(frag.borrow()) }.dma.as_ref()
}

impl Mapping for PoolMapping {
    /// Holds the mappings of the pool that `frag` is of. `None` when the pool does not map for `device`, or its owner has
    /// dropped it.
    #[inline]
    fn of<K: Kind>(frag: &Frag<K>, device: DeviceId) -> Option<Self> {
        let dma = dma_of(frag)?;
        // INVARIANT: `hold` took the part.
        (dma.device_id == device && dma.hold()).then(|| PoolMapping(dma.clone()))
    }

    /// Returns whether this holds the mappings of the pool that `frag` is of.
    #[inline]
    fn is_of<K: Kind>(&self, frag: &Frag<K>) -> bool {
        // By the address of what this value keeps, so no other pool can have it.
        dma_of(frag).is_some_and(|dma| Arc::ptr_eq(dma, &self.0))
    }

    /// Returns whether the pool's owner has it still: nothing new of a pool that was dropped is given to a device.
    #[inline]
    fn has_owner(&self) -> bool {
        self.0.has_owner()
    }

    /// Where a device may write, in each piece of the pool's memory: the bytes that the pool syncs.
    #[inline]
    fn writable(&self) -> Range<u32> {
        self.0.writable.clone()
    }
}

impl Drop for PoolMapping {
    fn drop(&mut self) {
        // By the invariant the part is this value's.
        self.0.leave(1);
    }
}
