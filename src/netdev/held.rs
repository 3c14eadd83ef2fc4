//! [`HeldPools`]: the pools of which a device has memory.

use super::PostError;
use crate::alloc::Arc;
use crate::alloc::Vec;
use crate::backend::{Backend, Host, Mapping};
use crate::dma::DmaDevice;
use crate::memory::Kind;
use crate::page_pool::Frag;

/// The pools of which a ring has posted memory. What they have mapped stays mapped meanwhile (rule D5).
///
/// A ring has memory of one pool or two, most of the time, so a list is the fastest that there is.
///
/// # Invariants
///
/// Each pool is there once, with how many of its buffers are posted: at least 1.
#[derive(Default)]
pub(super) struct HeldPools(Vec<(<Host as Backend>::Mapping, usize)>);

impl HeldPools {
    /// A list with room for the pools of a ring.
    pub(super) fn new() -> Option<Self> {
        let mut pools = Vec::new();
        pools.try_reserve(2).ok()?;
        Some(HeldPools(pools))
    }

    /// Notes that the device is given the bytes of `frag` from `headroom` on, and holds its pool.
    ///
    /// # Errors
    ///
    /// [`PostError`], when the device cannot be given them; nothing has changed then.
    pub(super) fn add<K: Kind>(
        &mut self,
        frag: &Frag<K>,
        headroom: u32,
        device: &Arc<dyn DmaDevice>,
    ) -> Result<(), PostError> {
        let at = match self.0.iter().position(|(pool, _)| pool.is_of(frag)) {
            Some(at) => at,
            None => {
                self.0.try_reserve(1).map_err(|_| PostError::NoMemory)?;
                let pool: <Host as Backend>::Mapping = Mapping::of(frag, device.id()).ok_or(PostError::NotMapped)?;
                check(&pool, frag, headroom)?;
                // INVARIANT: it was not there, and this is its first buffer.
                self.0.push((pool, 1));
                return Ok(());
            }
        };
        let (pool, buffers) = &mut self.0[at];
        if !pool.has_owner() {
            return Err(PostError::NotMapped);
        }
        check(pool, frag, headroom)?;
        *buffers += 1;
        Ok(())
    }

    /// Notes that the device has given `frag` back, and lets go of its pool when that was the last.
    pub(super) fn remove<K: Kind>(&mut self, frag: &Frag<K>) {
        let Some(at) = self.0.iter().position(|(pool, _)| pool.is_of(frag)) else { return };
        self.0[at].1 -= 1;
        if self.0[at].1 == 0 {
            self.0.swap_remove(at);
        }
    }
}

/// Checks that the device writes only where the pool syncs.
fn check<K: Kind>(pool: &impl Mapping, frag: &Frag<K>, headroom: u32) -> Result<(), PostError> {
    let (writable, start, end) = (pool.writable(), frag.offset() + headroom, frag.offset() + frag.len());
    if writable.start <= start && end <= writable.end {
        return Ok(());
    }
    Err(PostError::NotSynced { start, end, from: writable.start, to: writable.end })
}
