//! [`HeldPools`]: the pools of which a device has memory.

use super::PostError;
use crate::alloc::Vec;
use crate::backend::{Backend, Host, Mapping};
use crate::dma::DeviceId;
use crate::memory::Kind;
use crate::page_pool::Frag;

/// The pools of which a ring has posted memory. What they have mapped stays mapped meanwhile (rule D5).
///
/// A ring has memory of one pool or two, most of the time, so a list is the fastest that there is. A buffer that comes back costs
/// nothing here: a pool is let go when another one comes that is new to the ring, when the ring is empty and the pool was dropped, or
/// with the ring.
///
/// # Invariants
///
/// Each pool is there once.
#[derive(Default)]
pub(super) struct HeldPools(Vec<<Host as Backend>::Mapping>);

impl HeldPools {
    /// Returns a list with room for the pools of a ring.
    pub(super) fn new() -> Option<Self> {
        let mut pools = Vec::new();
        pools.try_reserve(2).ok()?;
        Some(HeldPools(pools))
    }

    /// Checks that the device can be given the bytes of `frag` from `headroom` on. `None` when its pool is not held yet.
    #[inline]
    pub(super) fn check<K: Kind>(&self, frag: &Frag<K>, headroom: u32) -> Option<Result<(), PostError>> {
        let pool = self.0.iter().find(|pool| pool.is_of(frag))?;
        Some(if pool.has_owner() { check(pool, frag, headroom) } else { Err(PostError::NotMapped) })
    }

    /// Holds the pool of `frag`, which is not held yet, and checks as [`check`](Self::check) does.
    ///
    /// # Errors
    ///
    /// [`PostError`], when the device cannot be given the bytes; nothing has changed then.
    #[cold]
    pub(super) fn add<K: Kind>(&mut self, frag: &Frag<K>, headroom: u32, device: DeviceId) -> Result<(), PostError> {
        self.0.try_reserve(1).map_err(|_| PostError::NoMemory)?;
        let pool: <Host as Backend>::Mapping = Mapping::of(frag, device).ok_or(PostError::NotMapped)?;
        check(&pool, frag, headroom)?;
        // INVARIANT: the caller has not found it.
        self.0.push(pool);
        Ok(())
    }

    /// Lets pools go of which the device has nothing.
    pub(super) fn retain(&mut self, has: impl Fn(&<Host as Backend>::Mapping) -> bool) {
        self.0.retain(has);
    }
}

/// Checks that the device writes only where the pool syncs.
#[inline]
fn check<K: Kind>(pool: &impl Mapping, frag: &Frag<K>, headroom: u32) -> Result<(), PostError> {
    let (writable, start, end) = (pool.writable(), frag.offset() + headroom, frag.offset() + frag.len());
    if writable.start <= start && end <= writable.end {
        return Ok(());
    }
    Err(PostError::NotSynced { start, end, from: writable.start, to: writable.end })
}
