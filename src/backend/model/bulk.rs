//! Bulk puts: many pieces of memory that go home together.

use super::ring::Ring;
use super::shared::Shared;
use crate::memory::Kind;
use crate::page_pool::{BATCH, Handles, Idle};
use crate::stack::Stack;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;

impl Shared {
    /// Drops many handles: memory that stays goes into the rings, in one go for each pool. The pools may be gone afterwards.
    #[doc(alias = "page_pool_put_netmem_bulk")]
    pub(super) fn put_bulk<K: Kind>(batch: &mut Handles<K>) {
        // Most batches are of one pool, and all of their memory may stay: those go straight into its ring.
        let (mut pool, mut stay) = (None, Stack::<Idle<K>, BATCH>::new());
        let mut others = Stack::<Idle<K>, BATCH>::new();
        batch.drain_into(&mut stay, |memory| {
            let idle = memory.into_idle()?;
            let of = idle.pool();
            if *pool.get_or_insert(of) == of && idle.can_stay() {
                return Some(idle);
            }
            others.push(idle);
            None
        });
        if let Some(pool) = pool.filter(|_| stay.len() != 0) {
            // SAFETY: there is memory in `stay`, and all of it is this pool's.
            unsafe { put_into_ring(pool, &mut stay) }
        }
        if others.len() != 0 {
            Shared::put_idle_bulk(&mut others);
        }
    }

    /// Returns memory to its pools, sorted by pool. The pools may be gone afterwards.
    #[cold]
    #[inline(never)]
    pub(super) fn put_idle_bulk<K: Kind>(idle: &mut Stack<Idle<K>, BATCH>) {
        // Each round serves the pool of the first piece, so each has fewer pieces than the one before.
        let (mut stay, mut others) = (Stack::<Idle<K>, BATCH>::new(), Stack::<Idle<K>, BATCH>::new());
        while let Some(pool) = idle.as_slice().first().map(Idle::pool) {
            for idle in idle.drain() {
                if idle.pool() != pool {
                    others.push(idle);
                } else if idle.can_stay() {
                    stay.push(idle);
                } else {
                    leave(idle);
                }
            }
            if stay.len() != 0 {
                // SAFETY: there is memory in `stay`, and all of it is this pool's.
                unsafe { put_into_ring(pool, &mut stay) }
            }
            core::mem::swap(idle, &mut others);
        }
    }
}

/// Counts and releases a page that may not stay. Its pool may be gone afterwards.
#[cold]
fn leave<K: Kind>(idle: Idle<K>) {
    idle.shared().released_refcnt.fetch_add(1, Relaxed);
    Shared::release(idle.any());
}

/// Puts memory of one pool into its ring, and out of the pool what does not fit. The pool may be gone afterwards.
///
/// # Safety
///
/// There is at least one piece, and all of it is memory of pool `this`.
unsafe fn put_into_ring<K: Kind>(this: NonNull<Shared>, idle: &mut Stack<Idle<K>, BATCH>) {
    // SAFETY: the pool lives while a piece of its memory is in use, and there is one.
    let shared = unsafe { this.as_ref() };
    shared.used();
    // SAFETY: the memory is of the ring's pool, which lives until the last of it is in the ring.
    let pushed = unsafe { Ring::push_bulk(NonNull::from(&shared.ring), idle.as_slice()) };
    // The ring has what was pushed.
    let rest = idle.drain().skip(pushed);
    if rest.len() == 0 {
        return; // and `shared` may be gone
    }
    shared.ring_full.fetch_add(1, Relaxed);
    rest.for_each(|idle| Shared::release(idle.any()));
}
