//! [`Shared`]: the part of a pool that its handles find through the descriptor.
//!
//! Not generic over the kind: a handle has been cast on its way, and its drop knows nothing but a word. The pool's
//! owner holds the other part, [`Pool`](super::pool::Pool).
//!
//! How it ends: `refs` starts at [`LIVE`] and loses one for each piece of memory that leaves the pool for its provider.
//! Dropping the pool takes off `LIVE` less what the pool ever took in, so that what is left is what is still out. Whoever
//! brings it to 0 frees this: the drop of the pool, or the last handle, on whatever thread. An observer of a shutdown
//! counts as [`OBSERVER`], far above what can be out: one load tells pieces from observers.

use super::mapping::PoolDma;
use super::ring::Ring;
use crate::alloc::Arc;
use crate::dma::DeviceId;
use crate::memory::{Kind, NetIov, NetmemRef, PoolId, Raw};
use crate::mm::PageRef;
use crate::page_pool::{
    AnyProvider, FreeIov, Idle, InitCallback, Installed, PagePoolParams, Parts, PoolError, PoolHooks, bytes_mut,
};
use crate::sync::{AtomicIsize, AtomicU64};
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;

/// More than there can be pieces of memory.
const LIVE: isize = isize::MAX >> 1;
/// The part of an observer, of whom there is at most one: more than there can be pieces, less than an owner's.
const OBSERVER: isize = (LIVE >> 2) + 1;

/// What a pool reports to, and what prepares its memory.
#[derive(Default)]
struct Watchers {
    hooks: Option<Arc<dyn PoolHooks>>,
    init: Option<InitCallback>,
}

/// The shared part of a pool, which ends with the last part in it.
pub(super) type Shared = Parts<State>;

/// What the owner of a pool and its handles share.
pub(super) struct State {
    pub(super) ring: Ring,
    pub(super) provider: Installed,
    pub(super) dma: Option<Arc<PoolDma>>,
    pub(super) piece_size: u32,
    pub(super) order: u32,
    pub(super) ring_full: AtomicU64,
    pub(super) released_refcnt: AtomicU64,
    /// Which pool this is, for people.
    pub(super) number: u32,
    /// How many pieces came in, once the owner is gone.
    held: AtomicIsize,
    watchers: Watchers,
}

/// How many pools there have been. 32 bits come round: the number is for people, and no decision rests on it.
static POOLS: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);

impl Shared {
    /// Makes the shared part of a pool.
    pub(super) fn make(
        ring: Ring,
        provider: Installed,
        dma: Option<Arc<PoolDma>>,
        piece_size: u32,
        params: PagePoolParams,
    ) -> Result<NonNull<Self>, PoolError> {
        let PagePoolParams { order, hooks, init_callback: init, .. } = params;
        let state = State {
            ring,
            provider,
            dma,
            piece_size,
            order,
            ring_full: AtomicU64::new(0),
            released_refcnt: AtomicU64::new(0),
            number: POOLS.fetch_add(1, Relaxed).wrapping_add(1),
            held: AtomicIsize::new(0),
            watchers: Watchers { hooks, init },
        };
        Parts::new(state, LIVE).ok_or(PoolError::NoMemory)
    }

    /// Whether memory is synced for the device when it enters the cache.
    pub(super) fn syncs_for_device(&self) -> bool {
        self.dma.as_ref().is_some_and(|dma| dma.sync)
    }

    /// How many pieces the pool gave back to its provider.
    pub(super) fn released(&self) -> isize {
        // A caller that sees the owner gone sees what it left.
        let parts = self.parts();
        if parts > LIVE >> 1 {
            return LIVE - parts;
        }
        self.held.load(Relaxed) - (parts & (OBSERVER - 1))
    }

    /// Returns which pool this is.
    fn id(&self) -> PoolId {
        PoolId::new(NonNull::from(self).cast())
    }

    /// Returns whether the memory is mapped for a device.
    pub(super) fn is_mapped_for(&self, device: DeviceId) -> bool {
        self.dma.as_ref().is_some_and(|dma| dma.reaches(device))
    }

    /// Prepares and reports the `held`th piece of memory that has become the pool's.
    pub(super) fn entered<K: Kind>(&self, idle: &mut Idle<K>, held: isize) {
        let Watchers { hooks, init } = &self.watchers;
        if let Some(init) = init {
            let memory = idle.memory().into_any();
            // SAFETY: nobody else has the memory, because it is idle and borrowed exclusively; these are all of its bytes.
            init(memory, unsafe { bytes_mut(memory, 0, self.piece_size) });
        }
        if let Some(hooks) = hooks {
            hooks.state_hold(self.id(), idle.memory().into_any(), held as u32);
        }
    }

    /// The pool wants memory of another node.
    pub(super) fn node_changed(&self, nid: i32) {
        if let Some(hooks) = &self.watchers.hooks {
            hooks.update_nid(self.id(), nid);
        }
    }

    /// Returns how many pieces are in use, once the owner is gone. A caller that sees 0 sees what was done to the memory before.
    pub(super) fn inflight_after(&self) -> usize {
        (self.parts() & (OBSERVER - 1)) as usize
    }

    /// Reports that the last part of the pool has ended.
    fn report_end(&self) {
        self.report_release(0);
    }

    /// Reports that the pool was let go by its owner, or by the last handle on its memory.
    fn report_release(&self, inflight: isize) {
        if let Some(hooks) = &self.watchers.hooks {
            let held = self.held.load(Relaxed);
            hooks.release(self.id(), inflight as i32, held as u32, (held - inflight) as u32);
        }
    }

    /// Ends the owner's part: takes the memory out of the ring, which is closed, unmaps what is in use, and leaves the pool to those
    /// who have handles, and to `observers`, 0 or 1. `held` pieces went in over the pool's life.
    ///
    /// # Safety
    ///
    /// The caller is the owner, has given back its cache, and does not touch the pool again, except as the observer, which calls
    /// [`unobserve`](Self::unobserve) once.
    pub(super) unsafe fn disown(this: NonNull<Shared>, held: isize, observers: isize) {
        // SAFETY: the owner's part keeps the pool.
        let shared = unsafe { this.as_ref() };
        // SAFETY: the owner is the one consumer, and takes nothing after this.
        unsafe { shared.ring.close(Shared::release) }
        if let Some(dma) = &shared.dma {
            dma.end();
        }
        shared.held.store(held, Relaxed);
        match held - shared.released() {
            0 => {} // which is told when the last part is gone
            inflight => shared.report_release(inflight),
        }
        // SAFETY: the owner's part is LIVE less what others release.
        unsafe { Parts::end(this, LIVE - held - observers * OBSERVER, Shared::report_end) }
    }

    /// Ends the part of an observer.
    ///
    /// # Safety
    ///
    /// The caller is one of those that [`disown`](Self::disown) left, and does not touch the pool again.
    pub(super) unsafe fn unobserve(this: NonNull<Shared>) {
        // SAFETY: this is an observer's part.
        unsafe { Parts::end(this, OBSERVER, Shared::report_end) }
    }

    /// Gives memory back to where it came from. The pool may be gone afterwards.
    #[cold]
    #[inline(never)]
    pub(super) fn release(idle: Idle) {
        let this = idle.pool();
        // SAFETY: the pool lives while a piece of its memory is in use.
        let shared = unsafe { this.as_ref() };
        if let Some(hooks) = &shared.watchers.hooks {
            hooks.state_release(shared.id(), idle.memory(), (shared.released() + 1) as u32);
        }
        if let Some(dma) = shared.dma.as_ref().filter(|dma| dma.map) {
            // SAFETY: each page of a pool that maps was mapped when it came in, and nobody else has this one.
            unsafe { dma.unmap(idle.desc()) }
        }
        idle.desc().clear_owner();
        let memory = Raw::from_word(idle.word());
        match &*shared.provider {
            AnyProvider::Page(provider) => {
                // SAFETY: a pool with a page provider holds pages only, each with a reference that was its `FreePage`'s; the
                // idle value was that reference, and no handle is left.
                let page = unsafe { PageRef::from_raw(memory.word().cast()) };
                // SAFETY: only the pool's handles reached the bytes, and none is left.
                match unsafe { page.into_free() } {
                    Ok(page) => provider.release(page),
                    Err(shared_with_mm) => drop(shared_with_mm),
                }
            }
            AnyProvider::NetIov(provider) => {
                // SAFETY: a pool with a net_iov provider holds net_iovs only.
                let iov = unsafe { memory.untag::<NetIov>() };
                // SAFETY: it was a `FreeIov` when it came in, and no handle is left.
                provider.release(unsafe { FreeIov::from_raw(iov.cast()) });
            }
        }
        // SAFETY: this was one piece of memory, and the caller gave it up.
        unsafe { Parts::end(this, 1, Shared::report_end) }
    }

    /// Returns memory to its pool: into the ring, or out of the pool. The pool may be gone afterwards.
    #[inline]
    #[doc(alias = "page_pool_put_unrefed_netmem")]
    pub(super) fn put_idle<K: Kind>(idle: Idle<K>) {
        let this = idle.pool();
        // SAFETY: the pool lives while a piece of its memory is in use.
        let shared = unsafe { this.as_ref() };
        shared.used();
        let (idle, counter) = if idle.can_stay() {
            // SAFETY: the memory is of the ring's pool, which lives until the memory is in the ring.
            match unsafe { Ring::push(NonNull::from(&shared.ring), idle) } {
                Ok(()) => return, // and `shared` may be gone
                Err(idle) => (idle, &shared.ring_full),
            }
        } else {
            (idle, &shared.released_refcnt)
        };
        counter.fetch_add(1, Relaxed);
        Shared::release(idle.any());
    }

    /// Returns the pool that owns a piece of memory. The reference that the handle was borrowed from keeps it.
    ///
    /// # Safety
    ///
    /// The memory is a pool's, and somebody has a reference to it for `'a`.
    #[inline]
    pub(super) unsafe fn of<'a, K: Kind>(memory: NetmemRef<'a, K>) -> &'a Shared {
        // CAST: what a pool stamps is the pointer to its shared part.
        let this = memory.desc().pp_ref().load(Relaxed).cast::<Shared>().cast_const();
        // SAFETY: the pool lives while a reference to a piece of its memory does.
        unsafe { &*this }
    }
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Shared>();
};
