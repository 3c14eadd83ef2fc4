//! What memory without references knows of its pool.

use super::shared::Shared;
use crate::memory::{Backing, Kind, NetmemRef, Page};
use crate::mm::PFMEMALLOC;
use crate::page_pool::Idle;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{Acquire, Relaxed};

impl<K: Kind> Idle<K> {
    /// Returns the pool that owns the memory. It lives as long as this value is not given up.
    #[inline(always)]
    pub(super) fn pool(&self) -> NonNull<Shared> {
        // CAST: what a pool stamps is the pointer to its shared part.
        let pp = self.desc().pp_ref().load(Relaxed).cast::<Shared>();
        // SAFETY: `pp` is a pool by the type's invariant, so it is not null.
        unsafe { NonNull::new_unchecked(pp) }
    }

    /// Returns the pool, borrowed.
    #[inline(always)]
    pub(super) fn shared(&self) -> &Shared {
        // SAFETY: the pool lives while this value does by the type's invariant.
        unsafe { self.pool().as_ref() }
    }

    /// Returns how many bytes the memory has.
    pub(super) fn size(&self) -> u32 {
        self.shared().piece_size
    }

    /// Returns whether the memory may stay in its pool.
    #[inline(always)]
    pub(super) fn can_stay(&self) -> bool {
        can_stay(self.memory())
    }
}

/// Returns whether memory may stay in its pool: a page only if nobody else counts on it, and it is not from the reserve for
/// memory reclaim. What a pool has is the first page of its block.
#[inline(always)]
pub(super) fn can_stay<K: Kind>(memory: NetmemRef<'_, K>) -> bool {
    match memory.backing() {
        Backing::Page(head) => is_free_to_keep(head),
        Backing::NetIov(_) => true,
    }
}

/// Returns whether nobody but the caller counts on the block that `head` begins, and it is not the reserve's.
#[inline(always)]
fn is_free_to_keep(head: &Page) -> bool {
    // The bit is 0 in tail pages, and what a pool has is none.
    head.refcount_ref().load(Acquire) == 1 && head.desc().mm_word().load(Relaxed) & PFMEMALLOC == 0
}
