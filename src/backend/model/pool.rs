//! [`Pool`]: the consumer side of a pool, and its owner.

use super::KernelNapi;
use super::frag_page::FragPage;
use super::mapping::PoolDma;
use super::ring::Ring;
use super::shared::Shared;
use super::shutdown::Ended;
use crate::alloc::{NoMemory, try_arc};
use crate::backend;
use crate::dma::{DeviceId, DmaDirection};
use crate::memory::{Kind, NetIov, NetmemRef, Page, PageOrIov, PoolId, Raw};
use crate::mm::{FreePage, page_ref_count, page_size, page_to_nid};
use crate::page_pool::{
    AnyProvider, BATCH, CACHE, Frag, FreeIov, Handles, Idle, Installed, Netmem, PagePoolParams, PoolError, PoolFlags,
    PoolKind, REFILL, Refill, Sink, Stats, Wish,
};
use crate::stack::Stack;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::Range;
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::Relaxed;

/// The consumer side of a pool whose memory is of kind `K`.
///
/// # Invariants
///
/// The memory of `cache` is this pool's, and synced for the device. `held` is how
/// many pieces of memory ever came in.
pub(crate) struct Pool<K: PoolKind> {
    cache: Stack<Idle<K>, CACHE>,
    /// `shared`, or null when all memory that is recycled must be synced: one compare answers both questions.
    fast_pp: *mut (),
    owner: Owner,
    /// Bytes in a piece of memory.
    piece_size: u32,
    frag: FragPage<K>,
    stats: Stats,
    held: isize,
    /// The NUMA node that the pool wants its pages from.
    nid: Option<i32>,
}

// SAFETY: the pointers are to the shared part, which is `Sync`, and which this value keeps as its owner. The memory is reached
// through atomics.
unsafe impl<K: PoolKind> Send for Pool<K> {}
// SAFETY: `&Pool` reads counters that only `&mut Pool` writes, and the shared part.
unsafe impl<K: PoolKind> Sync for Pool<K> {}

/// The owner's part of a pool.
///
/// # Invariants
///
/// The owner's part is this value's, until the pool [ends](Pool::end).
struct Owner(NonNull<Shared>);

impl Owner {
    #[inline(always)]
    fn shared(&self) -> &Shared {
        // SAFETY: the owner's part is this value's, so the pool lives.
        unsafe { self.0.as_ref() }
    }
}

impl<K: PoolKind> Pool<K> {
    #[inline(always)]
    fn shared(&self) -> &Shared {
        self.owner.shared()
    }

    /// Says that memory is of the pool's kind.
    ///
    /// # Safety
    ///
    /// The memory is this pool's.
    #[inline(always)]
    unsafe fn own<H: Kind>(idle: Idle<H>) -> Idle<K> {
        // SAFETY: all memory of the pool comes from its provider, whose memory is of kind `K`.
        unsafe { idle.assume() }
    }

    /// Takes memory as this pool's.
    ///
    /// # Errors
    ///
    /// The memory, when it is another pool's.
    fn claim<H: Kind>(&self, idle: Idle<H>) -> Result<Idle<K>, Idle<H>> {
        if idle.pool() != self.owner.0 {
            return Err(idle);
        }
        // SAFETY: it is this pool's, as was just seen.
        Ok(unsafe { Self::own(idle) })
    }

    /// Shows the device up to `len` bytes of a piece of the pool's memory, if the pool does that.
    #[inline]
    fn sync_idle(&self, idle: &Idle<K>, len: u32) {
        let Some(dma) = self.shared().dma.as_ref().filter(|dma| dma.sync) else { return };
        debug_assert_eq!(idle.pool(), self.owner.0);
        // SAFETY: nobody but the caller touches the memory, because it is idle. It is this pool's, because `hold`, `own` and the
        // fragment page are the only sources of an `Idle<K>` in this file; so it is mapped, because the owner has not left.
        unsafe { dma.sync_for_device(idle.desc(), len) }
    }

    /// Signs memory over to this pool and puts it into the cache, which has room.
    ///
    /// # Safety
    ///
    /// `raw` is of kind `K`, the caller gives it up, and nobody else has it. A page is mapped if it must be.
    unsafe fn hold(&mut self, raw: Raw) {
        // SAFETY: the memory lives, because it is the caller's; `PageOrIov` claims nothing.
        unsafe { NetmemRef::<PageOrIov>::new(raw) }.desc().set_owner(self.owner.0.cast());
        // SAFETY: the memory has this pool as its owner now and one reference, and the caller gives it up.
        let mut idle = unsafe { Idle::<K>::new(raw) };
        self.held += 1;
        self.shared().entered(&mut idle, self.held);
        self.sync_idle(&idle, u32::MAX);
        // INVARIANT: it is this pool's, and synced.
        self.cache.push(idle);
    }

    /// Fills the empty cache, from the ring or else from the provider, and takes one piece out.
    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> Option<Idle<K>> {
        if let Some(idle) = self.refill_from_ring() {
            return Some(idle);
        }
        let shared = self.owner.0;
        // SAFETY: the owner's part keeps the pool; the reference is not tied to `self`, which the provider fills below.
        let shared = unsafe { shared.as_ref() };
        match &*shared.provider {
            AnyProvider::Page(provider) if provider.is_page_allocator() => {
                let high = shared.order != 0;
                provider.alloc(&mut Refill::new(self, if high { 1 } else { REFILL }));
                if self.cache.len() != 0 {
                    *(if high { &mut self.stats.alloc_slow_high_order } else { &mut self.stats.alloc_slow }) += 1;
                }
            }
            AnyProvider::Page(provider) => provider.alloc(&mut Refill::new(self, REFILL)),
            AnyProvider::NetIov(provider) => provider.alloc(&mut Refill::new(self, REFILL)),
        }
        self.cache.pop()
    }

    /// Moves memory from the ring to the cache, which is empty, and takes one piece out. It stops at the first page from
    /// another node than the pool's: that page leaves the pool, and the rest stays in the ring.
    fn refill_from_ring(&mut self) -> Option<Idle<K>> {
        let (nid, ring) = (self.nid, &self.owner.shared().ring);
        let fill = |room: &mut [MaybeUninit<Idle<K>>]| match nid {
            // SAFETY: `&mut Pool` is the one consumer, and all memory of the pool is of kind `K`.
            None => unsafe { ring.pop(&mut room[..REFILL], |_| true) },
            // SAFETY: the same.
            Some(nid) => unsafe { ring.pop(&mut room[..REFILL], |memory| is_on_node(memory, nid)) },
        };
        // SAFETY: the ring has written as many as it says.
        // INVARIANT: what it gives is this pool's. It is synced below, before the code of anybody else runs, which may panic.
        let waived = unsafe { self.cache.fill(fill) };
        if self.shared().syncs_for_device() {
            self.cache.as_slice().iter().for_each(|idle| self.sync_idle(idle, u32::MAX));
        }
        match waived {
            None if self.cache.len() == 0 => {
                self.stats.alloc_empty += 1;
                return None;
            }
            None => {}
            Some(idle) => {
                self.stats.alloc_waive += 1;
                Shared::release(idle.any());
            }
        }
        let idle = self.cache.pop()?;
        self.stats.alloc_refill += 1;
        Some(idle)
    }

    /// Gives the memory of the cache back to the provider.
    fn empty_cache(&mut self) {
        while let Some(idle) = self.cache.pop() {
            Shared::release(idle.any());
        }
    }

    /// Gives back the pool's part of the fragment page, and starts on a new one, or on the same when nobody has it.
    #[cold]
    #[inline(never)]
    fn next_frag_page(&mut self, size: u32) -> Option<(Netmem<K>, u32)> {
        if size == 0 || size > self.piece_size {
            return None;
        }
        let idle = match self.drain_frag() {
            Some(idle) => {
                self.stats.recycle_cached += 1;
                self.stats.alloc_fast += 1;
                idle
            }
            None => backend::Pool::alloc(self)?,
        };
        self.frag.start(idle, self.fast_pp.is_null());
        self.frag.cut(size)
    }

    /// Leaves the fragment page. Returns the same page when nobody else has it and it may stay.
    #[doc(alias = "page_pool_drain_frag")]
    fn drain_frag(&mut self) -> Option<Idle<K>> {
        let idle = self.frag.leave()?;
        if !idle.can_stay() {
            Shared::release(idle.any());
            return None;
        }
        self.sync_idle(&idle, u32::MAX);
        Some(idle)
    }

    /// Leaves the fragment page for good: to the provider, or to those who still have fragments of it.
    #[doc(alias = "page_pool_free_frag")]
    fn free_frag(&mut self) {
        if let Some(idle) = self.frag.leave() {
            Shared::release(idle.any());
        }
    }

    /// Puts memory of this pool, synced, into the cache if it may stay and there is room.
    #[inline(always)]
    fn stash(&mut self, idle: Idle<K>) {
        if !idle.can_stay() {
            return put_idle_cold(idle);
        }
        match self.cache.try_push(idle) {
            Ok(()) => self.stats.recycle_cached += 1,
            Err(idle) => {
                self.stats.recycle_cache_full += 1;
                put_idle_cold(idle);
            }
        }
    }

    /// Does the rest of [`recycle`](backend::Pool::recycle): memory of another pool, or memory to sync.
    #[cold]
    #[inline(never)]
    fn recycle_other<H: Kind>(&mut self, memory: Netmem<H>, sync_len: u32) {
        let Some(idle) = memory.into_idle() else { return };
        // Memory of another pool returns to that pool.
        let idle = match self.claim(idle) {
            Ok(idle) => idle,
            Err(idle) => return Shared::put_idle(idle),
        };
        if idle.can_stay() {
            self.sync_idle(&idle, sync_len);
        }
        // INVARIANT: it is synced if it may stay.
        self.stash(idle);
    }

    /// Does the rest of [`recycle_bulk`](backend::Pool::recycle_bulk): memory to sync, of other pools, that may not stay, or that does
    /// not fit into the cache.
    #[cold]
    #[inline(never)]
    fn recycle_rest(&mut self, rest: &mut Stack<Idle, BATCH>) {
        let mut left = Stack::<Idle, BATCH>::new();
        for idle in rest.drain() {
            let idle = match self.claim(idle) {
                Ok(idle) if idle.can_stay() => idle,
                Ok(idle) => {
                    left.push(idle.any());
                    continue;
                }
                Err(idle) => {
                    left.push(idle);
                    continue;
                }
            };
            self.sync_idle(&idle, u32::MAX);
            // INVARIANT: it is synced.
            match self.cache.try_push(idle) {
                Ok(()) => self.stats.recycle_cached += 1,
                Err(idle) => {
                    self.stats.recycle_cache_full += 1;
                    left.push(idle.any());
                }
            }
        }
        Shared::put_idle_bulk(&mut left);
    }
}

impl<K: PoolKind> backend::Pool<K> for Pool<K> {
    fn create(
        params: PagePoolParams,
        provider: Installed,
        piece_size: u32,
        needs_sync: bool,
    ) -> Result<Self, PoolError> {
        let dma = match &params.device {
            Some(device) if params.flags.contains(PoolFlags::DMA_MAP) => Some(
                try_arc(PoolDma::new(device.clone(), &params, &provider, needs_sync))
                    .map_err(|NoMemory| PoolError::NoMemory)?,
            ),
            _ => None,
        };
        let (nid, ring) = (params.nid, Ring::new(params.ring_size())?);
        let sync = dma.as_ref().is_some_and(|dma| dma.sync);
        let shared = Shared::make(ring, provider, dma, piece_size, params)?;
        // INVARIANT: the owner's part is the new value's. A `K::Provider` has memory of kind `K`.
        Ok(Pool {
            cache: Stack::new(),
            fast_pp: if sync { ptr::null_mut() } else { shared.as_ptr().cast() },
            owner: Owner(shared),
            piece_size,
            frag: FragPage::none(),
            stats: Stats::default(),
            held: 0,
            nid,
        })
    }

    #[inline(always)]
    fn alloc(&mut self) -> Option<Idle<K>> {
        match self.cache.pop() {
            Some(idle) => {
                self.stats.alloc_fast += 1;
                Some(idle)
            }
            None => self.refill(),
        }
    }

    fn alloc_bulk(&mut self, out: &mut Handles<K>) -> usize {
        let before = out.len();
        while out.room() != 0 {
            let count = self.cache.len().min(out.room());
            if count == 0 {
                let Some(idle) = self.refill() else { break };
                out.push(idle.into_netmem());
                continue;
            }
            // SAFETY: both are one `Raw`, and an idle piece may be made a handle; the cache has `count`, and `out` room for them.
            unsafe { self.cache.move_as(out, count) };
            self.stats.alloc_fast += count as u64;
        }
        out.len() - before
    }

    #[inline(always)]
    fn alloc_frag(&mut self, size: u32) -> Option<(Netmem<K>, u32)> {
        if let Some(cut) = self.frag.cut(size) {
            return Some(cut);
        }
        if let Some(cut) = self.frag.cut_again(size) {
            self.stats.recycle_cached += 1;
            self.stats.alloc_fast += 1;
            return Some(cut);
        }
        self.next_frag_page(size)
    }

    fn give_rest(&mut self, offset: u32, size: u32) -> u32 {
        self.frag.give_rest(offset, size)
    }

    #[inline(always)]
    fn recycle<H: Kind>(&mut self, memory: Netmem<H>, sync_len: u32) {
        // Nobody writes `pp` while a handle lives.
        if memory.desc().pp_ref().load(Relaxed) != self.fast_pp {
            return self.recycle_other(memory, sync_len);
        }
        if let Some(idle) = memory.into_idle() {
            // SAFETY: it is this pool's, as was just seen. INVARIANT: this pool syncs nothing.
            self.stash(unsafe { Self::own(idle) });
        }
    }

    fn recycle_bulk<H: Kind>(&mut self, batch: &mut Handles<H>) {
        let before = self.cache.len();
        let mut rest = Stack::<Idle, BATCH>::new();
        for memory in batch.drain() {
            let Some(idle) = memory.into_idle() else { continue };
            let fast = idle.desc().pp_ref().load(Relaxed) == self.fast_pp && idle.can_stay();
            if !fast {
                rest.push(idle.any());
                continue;
            }
            // SAFETY: it is this pool's, as was just seen. INVARIANT: this pool syncs nothing.
            if let Err(idle) = self.cache.try_push(unsafe { Self::own(idle) }) {
                rest.push(idle.any());
            }
        }
        self.stats.recycle_cached += (self.cache.len() - before) as u64;
        if rest.len() != 0 {
            self.recycle_rest(&mut rest);
        }
    }

    #[inline]
    fn sync_for_cpu<H: Kind>(&self, frag: &Frag<H>, range: Range<u32>) -> bool {
        let own = frag.borrow().pp() == Some(self.id());
        if let Some(dma) = self.shared().dma.as_ref().filter(|dma| own && dma.sync_for_cpu) {
            // SAFETY: the memory is this pool's, as was just seen, and this is the owner.
            unsafe { dma.sync_frag_for_cpu(frag, range) }
        }
        own
    }

    #[inline]
    fn sync_for_device<H: Kind>(&self, frag: &Frag<H>) -> bool {
        let own = frag.borrow().pp() == Some(self.id());
        if let Some(dma) = self.shared().dma.as_ref().filter(|dma| own && dma.sync) {
            // SAFETY: the memory is this pool's, as was just seen, and this is the owner.
            unsafe { dma.sync_frag_for_device(frag) }
        }
        own
    }

    fn set_nid(&mut self, nid: i32) {
        if self.nid == Some(nid) {
            return;
        }
        self.shared().node_changed(nid);
        self.nid = Some(nid);
        self.empty_cache();
    }

    // A pool is linked while the NAPI has it by value: there is nothing to tell.
    fn link(&mut self, _: KernelNapi) {}

    fn unlink(&mut self) {}

    fn id(&self) -> PoolId {
        PoolId::new(self.owner.0.cast())
    }

    fn user_id(&self) -> u32 {
        self.shared().number
    }

    fn provider(&self) -> &AnyProvider {
        &self.shared().provider
    }

    #[inline]
    fn piece_size(&self) -> u32 {
        self.piece_size
    }

    fn direction(&self) -> DmaDirection {
        self.shared().dma.as_ref().map_or(DmaDirection::default(), |dma| dma.direction)
    }

    fn is_mapped_for(&self, device: DeviceId) -> bool {
        self.shared().is_mapped_for(device)
    }

    fn stats(&self) -> Stats {
        let shared = self.shared();
        Stats {
            recycle_ring: shared.ring.pushed() as u64,
            recycle_ring_full: shared.ring_full.load(Relaxed),
            recycle_released_refcnt: shared.released_refcnt.load(Relaxed),
            ..self.stats
        }
    }

    fn inflight(&self) -> usize {
        (self.held - self.shared().released()).max(0) as usize
    }

    fn in_use(&self) -> usize {
        let uncut = usize::from(self.frag.is_unused());
        let idle = self.cache.len() + self.shared().ring.len() + uncut;
        backend::Pool::inflight(self).saturating_sub(idle)
    }
}

impl<K: PoolKind> Pool<K> {
    /// Gives cache and ring back, unmaps the memory that is in use, and leaves the rest to the last handle and to `observers`, 0
    /// or 1.
    ///
    /// # Safety
    ///
    /// Called once; the pool is not used afterwards.
    unsafe fn end(&mut self, observers: isize) {
        self.free_frag();
        self.empty_cache();
        // SAFETY: this is the owner, and the caller promises the rest.
        unsafe { Shared::disown(self.owner.0, self.held, observers) }
    }

    /// Ends the pool, and returns a part of it to an observer.
    pub(super) fn into_ended(self) -> Ended {
        let shared = self.owner.0;
        // SAFETY: the pool is not dropped afterwards.
        unsafe { ManuallyDrop::new(self).end(1) };
        // SAFETY: one part was left for an observer, and this is it.
        unsafe { Ended::new(shared) }
    }
}

impl<K: PoolKind> Drop for Pool<K> {
    fn drop(&mut self) {
        // SAFETY: this is the end of it.
        unsafe { self.end(0) }
    }
}

impl<K: PoolKind> Sink<Page> for Pool<K> {
    fn admit(&mut self, page: FreePage) -> Result<(), FreePage> {
        let shared = self.shared();
        let fits = self.cache.room() != 0
            && matches!(*shared.provider, AnyProvider::Page(_))
            && page_size(page.page()) == shared.piece_size as usize
            && page_ref_count(page.page()) == 1;
        if !fits {
            return Err(page);
        }
        if let Some(dma) = shared.dma.as_ref().filter(|dma| dma.map) {
            // SAFETY: the page is this pool's from here on.
            if !unsafe { dma.map(page.page()) } {
                return Err(page);
            }
        }
        // SAFETY: a page of the right order that nobody else has; the pool's provider has pages, so `K` is their kind or open.
        unsafe { self.hold(Raw::page(page.into_raw())) };
        Ok(())
    }

    fn readmit(&mut self, memory: Netmem<Page>) -> bool {
        self.readmit_any(memory)
    }

    fn wish(&self) -> Wish {
        self.wish_any()
    }
}

impl<K: PoolKind> Sink<NetIov> for Pool<K> {
    fn admit(&mut self, iov: FreeIov) -> Result<(), FreeIov> {
        let shared = self.shared();
        let fits = self.cache.room() != 0
            && matches!(*shared.provider, AnyProvider::NetIov(_))
            && iov.size() == shared.piece_size as usize
            && shared.dma.as_ref().is_some_and(|dma| iov.is_for(dma.device_id));
        if !fits {
            return Err(iov);
        }
        // SAFETY: a net_iov of the right size that nobody else has; the pool's provider has net_iovs, so `K` is their kind or open.
        unsafe { self.hold(Raw::net_iov(iov.into_raw())) };
        Ok(())
    }

    fn readmit(&mut self, memory: Netmem<NetIov>) -> bool {
        self.readmit_any(memory)
    }

    fn wish(&self) -> Wish {
        self.wish_any()
    }
}

impl<K: PoolKind> Pool<K> {
    /// Takes back a reference that bypasses the ring and is not counted as recycling. Returns whether it is in the cache now.
    fn readmit_any<H: Kind>(&mut self, memory: Netmem<H>) -> bool {
        let (count, cached) = (self.cache.len(), self.stats.recycle_cached);
        backend::Pool::recycle(self, memory, u32::MAX);
        self.stats.recycle_cached = cached;
        self.cache.len() != count
    }

    fn wish_any(&self) -> Wish {
        Wish { pool: backend::Pool::id(self), order: self.shared().order, nid: self.nid }
    }
}

/// Returns whether memory is where a pool wants it. A net_iov is always where its provider has put it.
fn is_on_node<K: Kind>(memory: NetmemRef<'_, K>, nid: i32) -> bool {
    memory.backing().page().is_none_or(|page| page_to_nid(page) == nid)
}

/// [`Shared::put_idle`], out of line.
#[cold]
#[inline(never)]
fn put_idle_cold<K: Kind>(idle: Idle<K>) {
    Shared::put_idle(idle);
}
