//! [`Shared`]: the part of a pool that its handles find through the descriptor.
//!
//! Not generic over the kind: a handle has been cast on its way, and its drop knows nothing but a word. The pool's
//! owner holds the other part, [`Core`](super::core::Core).
//!
//! How it ends: `refs` starts at [`LIVE`] and loses one for each piece of memory that leaves the pool for its provider.
//! Dropping the pool takes off `LIVE` less what the pool ever took in, so that what is left is what is still out. Whoever
//! brings it to 0 frees this: the drop of the pool, or the last handle, on whatever thread. An observer of a shutdown
//! counts as [`OBSERVER`], far above what can be out: one load tells pieces from observers.

use super::mapping::PoolDma;
use super::provider::Installed;
use super::ring::Ring;
use super::{AnyProvider, BATCH, FreeIov, InitCallback, PagePoolParams, PoolError, PoolHooks, owned};
use crate::memory::{Kind, NetmemDesc, NetmemRef, Page, PageOrIov, PoolId, Raw};
use crate::mm::{self, FreePage, head_is_free_to_keep, page_ref_count};
use crate::sync::{Alive, AtomicIsize, AtomicU64, fence};
use alloc::sync::Arc;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

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

/// The shared part of a pool.
pub(super) struct Shared {
    pub(super) ring: Ring,
    refs: AtomicIsize,
    pub(super) provider: Installed,
    pub(super) dma: Option<Arc<PoolDma>>,
    pub(super) buffer_size: u32,
    pub(super) order: u32,
    pub(super) ring_full: AtomicU64,
    pub(super) released_refcnt: AtomicU64,
    /// Which pool this is, for people.
    pub(super) number: u32,
    /// How many pieces came in, once the owner is gone.
    held: AtomicIsize,
    watchers: Watchers,
    alive: Alive,
}

/// How many pools there have been. 32 bits come round: the number is for people, and no decision rests on it.
static POOLS: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);

impl Shared {
    /// Makes the shared part. It is freed by [`Shared::forget`].
    pub(super) fn new(
        ring: Ring,
        provider: Installed,
        dma: Option<Arc<PoolDma>>,
        buffer_size: u32,
        params: PagePoolParams,
    ) -> Result<NonNull<Self>, PoolError> {
        let PagePoolParams { order, hooks, init_callback: init, .. } = params;
        let shared = Shared {
            ring,
            refs: AtomicIsize::new(LIVE),
            provider,
            dma,
            buffer_size,
            order,
            ring_full: AtomicU64::new(0),
            released_refcnt: AtomicU64::new(0),
            number: POOLS.fetch_add(1, Relaxed).wrapping_add(1),
            held: AtomicIsize::new(0),
            watchers: Watchers { hooks, init },
            alive: Alive::new(),
        };
        owned::leak(shared).ok_or(PoolError::NoMemory)
    }

    /// Whether memory is synced for the device when it enters the cache.
    pub(super) fn syncs_for_device(&self) -> bool {
        self.dma.as_ref().is_some_and(|dma| dma.sync)
    }

    /// How many pieces the pool gave back to its provider.
    pub(super) fn released(&self) -> isize {
        // Acquire: who sees the owner gone sees what it left.
        let refs = self.refs.load(Acquire);
        if refs > LIVE >> 1 {
            return LIVE - refs;
        }
        self.held.load(Relaxed) - (refs & (OBSERVER - 1))
    }

    /// Which pool this is.
    fn id(&self) -> PoolId {
        PoolId::new(NonNull::from(self).cast())
    }

    /// A piece of memory, the `held`th, has become the pool's: prepares and reports it.
    ///
    /// # Safety
    ///
    /// `raw` is of this pool, and nobody else has it.
    pub(super) unsafe fn entered(&self, raw: Raw, held: isize) {
        let Watchers { hooks, init } = &self.watchers;
        if hooks.is_none() && init.is_none() {
            return;
        }
        // SAFETY: it lives while the pool has it; `PageOrIov` claims nothing.
        let memory = unsafe { NetmemRef::new(raw) };
        if let Some(init) = init {
            // SAFETY: nobody else has the memory, and these are all of its bytes.
            init(memory, unsafe { super::readable::bytes_mut::<PageOrIov>(raw, 0, self.buffer_size) });
        }
        if let Some(hooks) = hooks {
            hooks.state_hold(self.id(), memory, held as u32);
        }
    }

    /// The pool wants memory of another node.
    pub(super) fn node_changed(&self, nid: i32) {
        if let Some(hooks) = &self.watchers.hooks {
            hooks.update_nid(self.id(), nid);
        }
    }

    /// The pool has been let go by its owner, or by the last who had memory of it.
    fn report_release(&self, inflight: isize) {
        if let Some(hooks) = &self.watchers.hooks {
            let held = self.held.load(Relaxed);
            hooks.release(self.id(), inflight as i32, held as u32, (held - inflight) as u32);
        }
    }

    /// How many pieces are out, once the owner is gone.
    pub(super) fn inflight_after(&self) -> usize {
        // Acquire: who sees 0 sees what was done to the memory before.
        (self.refs.load(Acquire) & (OBSERVER - 1)) as usize
    }

    /// Shows the device up to `len` bytes of a piece of the pool's memory, if the pool does that.
    ///
    /// # Safety
    ///
    /// `desc` is that of memory of this pool which nobody but the caller touches, and the pool has not been scrubbed.
    #[inline]
    pub(super) unsafe fn sync_for_device(&self, desc: &NetmemDesc, len: u32) {
        if let Some(dma) = self.dma.as_ref().filter(|dma| dma.sync) {
            // SAFETY: promised by the caller.
            unsafe { dma.sync_for_device(desc, len) }
        }
    }

    /// Takes `n` off the count, and frees the pool when that was all. It may be gone afterwards.
    ///
    /// # Safety
    ///
    /// The caller gives up what `n` stands for: one for each piece of memory that it took out of the pool.
    unsafe fn forget(this: NonNull<Shared>, n: isize) {
        // SAFETY: the pool lives while the count is above 0, and the caller still has a part in it.
        unsafe { &(*this.as_ptr()).alive }.used();
        // SAFETY: as above.
        let refs = unsafe { &raw const (*this.as_ptr()).refs };
        // SAFETY: as above; `refs` is not used after the subtraction.
        if unsafe { &*refs }.fetch_sub(n, Release) == n {
            fence(Acquire);
            // SAFETY: nobody has a part in the pool any more, so it is there until the end of this block.
            unsafe { this.as_ref() }.report_release(0);
            // SAFETY: nobody has a part in the pool any more, and the fence orders every use of it before this.
            unsafe { owned::reclaim(this) }
        }
    }

    /// Ends the owner's part: `held` pieces went in over the pool's life, and `observers`, 0 or 1, keep looking on.
    ///
    /// # Safety
    ///
    /// The caller is the owner, has closed the ring and scrubbed, and does not touch the pool again, except as one of
    /// the observers, each of which calls [`unobserve`](Self::unobserve) once.
    pub(super) unsafe fn disown(this: NonNull<Shared>, held: isize, observers: isize) {
        // SAFETY: the owner's part keeps the pool.
        let shared = unsafe { this.as_ref() };
        shared.held.store(held, Relaxed);
        match held - shared.released() {
            0 => {} // which is told when the last part is gone
            inflight => shared.report_release(inflight),
        }
        // SAFETY: the owner's part is LIVE less what others release.
        unsafe { Shared::forget(this, LIVE - held - observers * OBSERVER) }
    }

    /// Ends the part of an observer.
    ///
    /// # Safety
    ///
    /// The caller is one of those that [`disown`](Self::disown) left, and does not touch the pool again.
    pub(super) unsafe fn unobserve(this: NonNull<Shared>) {
        // SAFETY: this is an observer's part.
        unsafe { Shared::forget(this, OBSERVER) }
    }

    /// Gives memory back to where it came from. The pool may be gone afterwards.
    ///
    /// # Safety
    ///
    /// The caller holds the last reference to memory of this pool, and gives it up.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn release(this: NonNull<Shared>, raw: Raw) {
        // SAFETY: the pool lives while a piece of its memory is out.
        let shared = unsafe { this.as_ref() };
        // SAFETY: `PageOrIov` claims nothing.
        let desc = unsafe { raw.untag::<PageOrIov>() };
        // SAFETY: the memory lives while the caller holds a reference to it.
        let fields = unsafe { desc.as_ref() };
        if let Some(hooks) = &shared.watchers.hooks {
            // SAFETY: as for `fields`.
            let memory = unsafe { NetmemRef::new(raw) };
            hooks.state_release(shared.id(), memory, (shared.released() + 1) as u32);
        }
        match &*shared.provider {
            AnyProvider::Page(provider) => {
                if let Some(dma) = shared.dma.as_ref().filter(|dma| dma.map) {
                    // SAFETY: a pool with a page provider holds pages only, each mapped when it came in.
                    unsafe { dma.unmap(fields) }
                }
                fields.clear_owner();
                let page: NonNull<Page> = desc.cast();
                // SAFETY: as for `fields`; it is a page, by what its provider provides.
                let alone = page_ref_count(unsafe { page.as_ref() }) == 1;
                if alone {
                    // SAFETY: the pool's reference is given up, it is the only one, and no handle is left.
                    provider.release(unsafe { FreePage::from_raw(page) });
                } else {
                    // SAFETY: the pool's reference is given up.
                    unsafe { mm::put_page_raw(page) }
                }
            }
            AnyProvider::NetIov(provider) => {
                fields.clear_owner();
                // SAFETY: a pool with a net_iov provider holds net_iovs only, each a `FreeIov` when it came in; no
                // handle is left.
                provider.release(unsafe { FreeIov::from_raw(desc.cast()) });
            }
        }
        // SAFETY: this was one piece of memory.
        unsafe { Shared::forget(this, 1) }
    }

    /// Drops one reference of a handle: the put. The pool may be gone afterwards.
    ///
    /// # Safety
    ///
    /// `raw` is of kind `K` and of a pool, and the caller gives up one reference to it.
    #[inline]
    pub(super) unsafe fn put<K: Kind>(raw: Raw) {
        // SAFETY: kind `K`, says the caller.
        let desc = unsafe { raw.untag::<K>() };
        // SAFETY: the memory lives while the caller's reference does.
        if unref(unsafe { desc.as_ref() }, 1) {
            // SAFETY: that was the last reference, and the count is 1 again.
            unsafe { Shared::put_unrefed::<K>(raw) }
        }
    }

    /// Returns memory without references: into the ring, or out of the pool. The pool may be gone afterwards.
    ///
    /// # Safety
    ///
    /// As [`put`](Self::put), for the last reference, which has been counted down already.
    #[inline]
    #[doc(alias = "page_pool_put_unrefed_netmem")]
    pub(super) unsafe fn put_unrefed<K: Kind>(raw: Raw) {
        // SAFETY: kind `K`, and nobody has returned it yet.
        let this = unsafe { pool_of::<K>(raw) };
        // SAFETY: the pool lives while a piece of its memory is out.
        let shared = unsafe { this.as_ref() };
        shared.alive.used();
        // SAFETY: kind `K`, and nobody has returned it yet.
        let counter = if unsafe { can_stay::<K>(raw) } {
            // SAFETY: the pool, and so its ring, lives until the word is in the ring.
            match unsafe { Ring::push(NonNull::from(&shared.ring), raw) } {
                Ok(()) => return, // and `shared` may be gone
                Err(_) => &shared.ring_full,
            }
        } else {
            &shared.released_refcnt
        };
        counter.fetch_add(1, Relaxed);
        // SAFETY: the last reference, given up by the caller.
        unsafe { Shared::release(this, raw) }
    }

    /// [`put`](Self::put) for many: what stays goes into the rings, in one go for each pool. The pools may be gone
    /// afterwards.
    ///
    /// # Safety
    ///
    /// `words` are initialised and of kind `K`, at most [`BATCH`], and the caller gives up a reference to each.
    #[doc(alias = "page_pool_put_netmem_bulk")]
    pub(super) unsafe fn put_bulk<K: Kind>(words: &mut [MaybeUninit<Raw>]) {
        // Most batches are of one pool, and all of it may stay: those go straight into its ring.
        let (mut pool, mut stay) = (None, 0);
        let (mut others, mut other) = ([MaybeUninit::<Raw>::uninit(); BATCH], 0);
        for i in 0..words.len() {
            // SAFETY: initialised, says the caller; what is written below lies before `i`.
            let raw = unsafe { words[i].assume_init() };
            // SAFETY: kind `K`, says the caller.
            let desc = unsafe { raw.untag::<K>() };
            // SAFETY: the memory lives while the caller's reference does.
            if !unref(unsafe { desc.as_ref() }, 1) {
                continue;
            }
            // SAFETY: kind `K`, and that was the last reference, which nobody has returned yet.
            let of = unsafe { pool_of::<K>(raw) };
            // SAFETY: the same.
            if *pool.get_or_insert(of) == of && unsafe { can_stay::<K>(raw) } {
                words[stay].write(raw);
                stay += 1;
            } else {
                others[other].write(raw);
                other += 1;
            }
        }
        if let Some(pool) = pool.filter(|_| stay != 0) {
            // SAFETY: initialised, of this pool, without references, and given up.
            unsafe { Shared::put_into_ring(pool, &words[..stay]) }
        }
        if other != 0 {
            // SAFETY: initialised, of kind `K`, without references, and given up.
            unsafe { Shared::put_unrefed_bulk::<K>(&mut others[..other]) }
        }
    }

    /// [`put_unrefed`](Self::put_unrefed) for many, sorted by pool. The pools may be gone afterwards.
    ///
    /// # Safety
    ///
    /// As [`put_bulk`](Self::put_bulk), for last references, which have been counted down already.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn put_unrefed_bulk<K: Kind>(words: &mut [MaybeUninit<Raw>]) {
        let mut others = [MaybeUninit::<Raw>::uninit(); BATCH];
        let (mut from, mut count) = (words, 0);
        // Each round serves the pool of the first word, so each has fewer words than the one before.
        while let Some(first) = from.first() {
            // SAFETY: initialised, says the caller.
            let first = unsafe { first.assume_init() };
            // SAFETY: kind `K`, and nobody has returned it yet.
            let pool = unsafe { pool_of::<K>(first) };
            let mut stay = 0;
            for i in 0..from.len() {
                // SAFETY: initialised, says the caller; what is written below lies before `i`.
                let raw = unsafe { from[i].assume_init() };
                // SAFETY: kind `K`, and nobody has returned it yet.
                let same = unsafe { pool_of::<K>(raw) } == pool;
                // SAFETY: the same.
                if same && unsafe { can_stay::<K>(raw) } {
                    from[stay].write(raw);
                    stay += 1;
                } else if same {
                    // SAFETY: the pool lives while this piece of its memory is out.
                    unsafe { Shared::leave(pool, raw) }
                } else {
                    others[count].write(raw);
                    count += 1;
                }
            }
            if stay != 0 {
                // SAFETY: initialised, of this pool, without references, and given up.
                unsafe { Shared::put_into_ring(pool, &from[..stay]) }
            }
            from = &mut from[..count];
            from.copy_from_slice(&others[..count]);
            count = 0;
        }
    }

    /// Counts and returns a page that may not stay. The pool may be gone afterwards.
    ///
    /// # Safety
    ///
    /// As [`release`](Self::release).
    #[cold]
    unsafe fn leave(this: NonNull<Shared>, raw: Raw) {
        // SAFETY: the pool lives while a piece of its memory is out.
        unsafe { this.as_ref() }.released_refcnt.fetch_add(1, Relaxed);
        // SAFETY: promised by the caller.
        unsafe { Shared::release(this, raw) }
    }

    /// Puts words of one pool into its ring, and out of the pool what does not fit. The pool may be gone afterwards.
    ///
    /// # Safety
    ///
    /// There is at least one word; all are initialised, of pool `this`, without references, and given up by the caller.
    unsafe fn put_into_ring(this: NonNull<Shared>, words: &[MaybeUninit<Raw>]) {
        // SAFETY: the pool lives while a piece of its memory is out.
        let shared = unsafe { this.as_ref() };
        shared.alive.used();
        // SAFETY: the words are initialised, and the pool, and so its ring, lives until the last of them is in the ring.
        let pushed = unsafe { Ring::push_bulk(NonNull::from(&shared.ring), words) };
        let rest = &words[pushed..];
        if rest.is_empty() {
            return; // and `shared` may be gone
        }
        shared.ring_full.fetch_add(1, Relaxed);
        for word in rest {
            // SAFETY: initialised, says the caller.
            let raw = unsafe { word.assume_init() };
            // SAFETY: the last reference, given up by the caller.
            unsafe { Shared::release(this, raw) }
        }
    }

    /// Takes everything that is in the ring out of the pool, and lets nothing in any more.
    ///
    /// # Safety
    ///
    /// The caller is the owner.
    pub(super) unsafe fn close(this: NonNull<Shared>) {
        // SAFETY: the owner's part keeps the pool.
        let shared = unsafe { this.as_ref() };
        let release = |raw| {
            // SAFETY: what is in the ring has no references left; the owner's part keeps the pool meanwhile.
            unsafe { Shared::release(this, raw) }
        };
        // SAFETY: the owner is the one consumer, and takes nothing after this.
        unsafe { shared.ring.close(release) }
    }

    /// The pool that owns a piece of memory.
    ///
    /// # Safety
    ///
    /// The caller holds a reference to memory of a pool for `'a`.
    #[inline]
    pub(super) unsafe fn of<'a>(desc: &NetmemDesc) -> &'a Shared {
        // CAST: what a pool stamps is the pointer to its shared part.
        let this = desc.pp_ref().load(Relaxed).cast::<Shared>().cast_const();
        // SAFETY: the pool lives while a reference to a piece of its memory does.
        unsafe { &*this }
    }
}

/// The pool that memory is of.
///
/// # Safety
///
/// `raw` is of kind `K` and of a pool, and the caller holds a reference to it.
#[inline(always)]
unsafe fn pool_of<K: Kind>(raw: Raw) -> NonNull<Shared> {
    // SAFETY: kind `K`, says the caller.
    let desc = unsafe { raw.untag::<K>() };
    // SAFETY: the memory lives while the caller's reference does.
    let pp = unsafe { desc.as_ref() }.pp_ref().load(Relaxed);
    // CAST: what a pool stamps is the pointer to its shared part.
    let pp = pp.cast::<Shared>();
    // SAFETY: memory with handles is owned by a pool, so `pp` is not null.
    unsafe { NonNull::new_unchecked(pp) }
}

/// Whether memory may stay in its pool: a page only if nobody else counts on it, and it is no reserve's.
///
/// # Safety
///
/// `raw` is of kind `K` and of a pool, and the caller holds a reference to it.
#[inline(always)]
pub(super) unsafe fn can_stay<K: Kind>(raw: Raw) -> bool {
    if raw.is_net_iov::<K>() {
        return true;
    }
    // CAST: an untagged word is the page's address. SAFETY: the memory lives while the caller has a reference.
    let page: &Page = unsafe { raw.word().cast().as_ref() };
    // What a pool has is the first page of its block.
    head_is_free_to_keep(page)
}

/// Drops `n` references of `n` or more. True when they were the last: the count is 1 again then, for the next owner.
#[inline(always)]
#[doc(alias = "page_pool_unref_netmem")]
pub(super) fn unref(desc: &NetmemDesc, n: isize) -> bool {
    let count = desc.pp_ref_count_ref();
    // When all references are the caller's, nobody can change the count, and it needs no read-modify-write.
    if count.load(Acquire) == n {
        if n != 1 {
            count.store(1, Relaxed);
        }
        return true;
    }
    if count.fetch_sub(n, AcqRel) == n {
        count.store(1, Relaxed);
        return true;
    }
    false
}

/// What a known net_iov pool or page pool stamps on memory. Kept here so that nobody else casts.
pub(super) fn stamp(this: NonNull<Shared>, desc: &NetmemDesc) {
    desc.set_owner(this.cast());
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Shared>();
};
