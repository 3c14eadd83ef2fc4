//! [`Core`]: the consumer side of a pool.

use super::frag_page::FragPage;
use super::idle::Idle;
use super::provider::{Sink, Wish};
use super::shared::Shared;
use super::stack::Stack;
use super::{AnyProvider, BATCH, CACHE, FreeIov, Netmem, PoolKind, REFILL, Refill, Stats};
use crate::memory::{Kind, NetIov, NetmemRef, Page, PageOrIov, PoolId, Raw};
use crate::mm::{FreePage, page_ref_count, page_size, page_to_nid};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::Relaxed;

/// The consumer side of a pool whose memory is of kind `K`.
///
/// # Invariants
///
/// The owner's part of `shared` is this value's. The memory of `cache` is this pool's, and synced for the device. `held` is how
/// many pieces of memory ever came in.
pub(super) struct Core<K: PoolKind> {
    pub(super) cache: Stack<Idle<K>, CACHE>,
    /// `shared`, or null when all memory that is recycled must be synced: one compare answers both questions.
    fast_pp: *mut (),
    pub(super) shared: NonNull<Shared>,
    /// Bytes in a piece of memory.
    buffer_size: u32,
    pub(super) frag: FragPage<K>,
    pub(super) stats: Stats,
    pub(super) held: isize,
    /// The NUMA node that the pool wants its pages from.
    nid: Option<i32>,
}

// SAFETY: the pointers are to the shared part, which is `Sync`, and which this value keeps as its owner. The memory is reached
// through atomics.
unsafe impl<K: PoolKind> Send for Core<K> {}
// SAFETY: `&Core` reads counters that only `&mut Core` writes, and the shared part.
unsafe impl<K: PoolKind> Sync for Core<K> {}

impl<K: PoolKind> Core<K> {
    /// Returns the consumer side of a pool that has no memory yet.
    ///
    /// # Safety
    ///
    /// The owner's part of `shared` becomes this value's. The pool's provider has memory of kind `K`.
    pub(super) unsafe fn new(shared: NonNull<Shared>, nid: Option<i32>) -> Self {
        // SAFETY: the owner's part keeps it, says the caller.
        let made = unsafe { shared.as_ref() };
        let (sync, buffer_size) = (made.syncs_for_device(), made.buffer_size);
        Core {
            cache: Stack::new(),
            fast_pp: if sync { ptr::null_mut() } else { shared.as_ptr().cast() },
            shared,
            buffer_size,
            frag: FragPage::none(),
            stats: Stats::default(),
            held: 0,
            nid,
        }
    }

    #[inline(always)]
    pub(super) fn shared(&self) -> &Shared {
        // SAFETY: the owner's part is this value's, so the pool lives as long as this value does.
        unsafe { self.shared.as_ref() }
    }

    pub(super) fn id(&self) -> PoolId {
        PoolId::new(self.shared.cast())
    }

    /// Returns whether memory is this pool's.
    #[inline(always)]
    fn owns<H: Kind>(&self, memory: NetmemRef<'_, H>) -> bool {
        ptr::addr_eq(memory.desc().pp_ref().load(Relaxed), self.shared.as_ptr())
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

    /// Shows the device up to `len` bytes of a piece of the pool's memory, if the pool does that.
    #[inline]
    fn sync_for_device(&self, idle: &Idle<K>, len: u32) {
        let Some(dma) = self.shared().dma.as_ref().filter(|dma| dma.sync) else { return };
        debug_assert!(self.owns(idle.memory()));
        // SAFETY: nobody but the caller touches the memory, because it is idle. It is this pool's, because each function of
        // this file asks before it calls this one; so it is mapped, because the owner has not left.
        unsafe { dma.sync_for_device(idle.desc(), len) }
    }

    /// Signs memory over to this pool and puts it into the cache, which has room.
    ///
    /// # Safety
    ///
    /// `raw` is of kind `K`, the caller gives it up, and nobody else has it. A page is mapped if it must be.
    unsafe fn hold(&mut self, raw: Raw) {
        // SAFETY: the memory lives, because it is the caller's; `PageOrIov` claims nothing.
        unsafe { NetmemRef::<PageOrIov>::new(raw) }.desc().set_owner(self.shared.cast());
        // SAFETY: the memory has this pool as its owner now and one reference, and the caller gives it up.
        let mut idle = unsafe { Idle::<K>::new(raw) };
        self.held += 1;
        self.shared().entered(&mut idle, self.held);
        self.sync_for_device(&idle, u32::MAX);
        // INVARIANT: it is this pool's, and synced.
        self.cache.push(idle);
    }

    /// Takes the youngest piece out of the cache.
    #[inline(always)]
    fn pop(&mut self) -> Option<Idle<K>> {
        self.cache.pop()
    }

    /// Fills the empty cache, from the ring or else from the provider, and takes one piece out.
    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> Option<Idle<K>> {
        if let Some(idle) = self.refill_from_ring() {
            return Some(idle);
        }
        let shared = self.shared;
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
        self.pop()
    }

    /// Moves memory from the ring to the cache, which is empty, and takes one piece out. It stops at the first page from
    /// another node than the pool's: that page leaves the pool, and the rest stays in the ring.
    fn refill_from_ring(&mut self) -> Option<Idle<K>> {
        let (nid, shared) = (self.nid, self.shared);
        // SAFETY: the owner's part keeps the pool; the reference is not tied to `self`, whose cache is filled below.
        let ring = unsafe { &shared.as_ref().ring };
        let fill = |room: &mut [MaybeUninit<Idle<K>>]| match nid {
            // SAFETY: `&mut Core` is the one consumer, and all memory of the pool is of kind `K`.
            None => unsafe { ring.pop(&mut room[..REFILL], |_| true) },
            // SAFETY: the same.
            Some(nid) => unsafe { ring.pop(&mut room[..REFILL], |memory| is_on_node(memory, nid)) },
        };
        // SAFETY: the ring has written as many as it says.
        // INVARIANT: what it gives is this pool's. It is synced below, before the code of anybody else runs, which may panic.
        let waived = unsafe { self.cache.fill(fill) };
        if self.shared().syncs_for_device() {
            self.cache.as_slice().iter().for_each(|idle| self.sync_for_device(idle, u32::MAX));
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
        let idle = self.pop()?;
        self.stats.alloc_refill += 1;
        Some(idle)
    }

    /// Wants pages of another node from now on, and gives those in the cache back.
    #[cold]
    pub(super) fn set_nid(&mut self, nid: i32) {
        if self.nid == Some(nid) {
            return;
        }
        self.shared().node_changed(nid);
        self.nid = Some(nid);
        self.empty_cache();
    }

    /// Gives the memory of the cache back to the provider.
    pub(super) fn empty_cache(&mut self) {
        while let Some(idle) = self.pop() {
            Shared::release(idle.any());
        }
    }

    /// Takes a piece out of the cache, filling it if it must.
    #[inline(always)]
    pub(super) fn alloc(&mut self) -> Option<Idle<K>> {
        match self.pop() {
            Some(idle) => {
                self.stats.alloc_fast += 1;
                Some(idle)
            }
            None => self.refill(),
        }
    }

    /// Fills `out`, as far as there is memory, and returns how many pieces it added.
    pub(super) fn alloc_bulk(&mut self, out: &mut Stack<Netmem<K>, BATCH>) -> usize {
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

    /// Returns a reference with a fresh range of `size` bytes, and the first byte of that range.
    #[inline(always)]
    pub(super) fn alloc_frag(&mut self, size: u32) -> Option<(Netmem<K>, u32)> {
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

    /// Gives back the pool's part of the fragment page, and starts on a new one, or on the same when nobody has it.
    #[cold]
    #[inline(never)]
    fn next_frag_page(&mut self, size: u32) -> Option<(Netmem<K>, u32)> {
        if size == 0 || size > self.buffer_size {
            return None;
        }
        let idle = match self.drain_frag() {
            Some(idle) => {
                self.stats.recycle_cached += 1;
                self.stats.alloc_fast += 1;
                idle
            }
            None => self.alloc()?,
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
        self.sync_for_device(&idle, u32::MAX);
        Some(idle)
    }

    /// Leaves the fragment page for good: to the provider, or to those who still have fragments of it.
    #[doc(alias = "page_pool_free_frag")]
    pub(super) fn free_frag(&mut self) {
        if let Some(idle) = self.frag.leave() {
            Shared::release(idle.any());
        }
    }

    /// Drops a reference, and puts the memory into the cache if it was the last. If the pool syncs, it shows the device
    /// `sync_len` bytes, or as many as the pool's parameters say if that is less.
    #[inline(always)]
    pub(super) fn recycle_direct<H: Kind>(&mut self, memory: Netmem<H>, sync_len: u32) {
        // Nobody writes `pp` while a handle lives.
        if memory.desc().pp_ref().load(Relaxed) != self.fast_pp {
            return self.recycle_other(memory, sync_len);
        }
        if let Some(idle) = memory.into_idle() {
            // SAFETY: it is this pool's, as was just seen. INVARIANT: this pool syncs nothing.
            self.stash(unsafe { Self::own(idle) });
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

    /// Does the rest of [`recycle_direct`](Self::recycle_direct): memory of another pool, or memory to sync.
    #[cold]
    #[inline(never)]
    fn recycle_other<H: Kind>(&mut self, memory: Netmem<H>, sync_len: u32) {
        if !self.owns(memory.as_ref()) {
            // The handle returns to its own pool.
            return drop(memory);
        }
        let Some(idle) = memory.into_idle() else { return };
        // SAFETY: it is this pool's, as was just seen.
        let idle = unsafe { Self::own(idle) };
        if idle.can_stay() {
            self.sync_for_device(&idle, sync_len);
        }
        // INVARIANT: it is synced if it may stay.
        self.stash(idle);
    }

    /// Does [`recycle_direct`](Self::recycle_direct) for many. Memory that does not go into the cache goes through the rings,
    /// in one go for each pool.
    pub(super) fn recycle_bulk<H: Kind>(&mut self, batch: &mut Stack<Netmem<H>, BATCH>) {
        let before = self.cache.len();
        let mut rest = Stack::<Idle<H>, BATCH>::new();
        for memory in batch.drain() {
            let Some(idle) = memory.into_idle() else { continue };
            let fast = idle.desc().pp_ref().load(Relaxed) == self.fast_pp && idle.can_stay();
            if !fast {
                rest.push(idle);
                continue;
            }
            // SAFETY: it is this pool's, as was just seen. INVARIANT: this pool syncs nothing.
            if let Err(idle) = self.cache.try_push(unsafe { Self::own(idle) }) {
                // SAFETY: the memory was of kind `H` before.
                rest.push(unsafe { idle.assume() });
            }
        }
        self.stats.recycle_cached += (self.cache.len() - before) as u64;
        if rest.len() != 0 {
            self.recycle_rest(&mut rest);
        }
    }

    /// Does the rest of [`recycle_bulk`](Self::recycle_bulk): memory to sync, of other pools, that may not stay, or that does
    /// not fit into the cache.
    #[cold]
    #[inline(never)]
    fn recycle_rest<H: Kind>(&mut self, rest: &mut Stack<Idle<H>, BATCH>) {
        let mut left = Stack::<Idle<H>, BATCH>::new();
        for idle in rest.drain() {
            if !self.owns(idle.memory()) || !idle.can_stay() {
                left.push(idle);
                continue;
            }
            // SAFETY: it is this pool's, as was just seen.
            let idle = unsafe { Self::own(idle) };
            self.sync_for_device(&idle, u32::MAX);
            // INVARIANT: it is synced.
            match self.cache.try_push(idle) {
                Ok(()) => self.stats.recycle_cached += 1,
                Err(idle) => {
                    self.stats.recycle_cache_full += 1;
                    // SAFETY: the memory was of kind `H` before.
                    left.push(unsafe { idle.assume() });
                }
            }
        }
        Shared::put_idle_bulk(&mut left);
    }
}

impl<K: PoolKind> Sink<Page> for Core<K> {
    fn admit(&mut self, page: FreePage) -> Result<(), FreePage> {
        let shared = self.shared();
        let fits = self.cache.room() != 0
            && matches!(*shared.provider, AnyProvider::Page(_))
            && page_size(page.page()) == shared.buffer_size as usize
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

impl<K: PoolKind> Sink<NetIov> for Core<K> {
    fn admit(&mut self, iov: FreeIov) -> Result<(), FreeIov> {
        let shared = self.shared();
        let fits = self.cache.room() != 0
            && matches!(*shared.provider, AnyProvider::NetIov(_))
            && iov.size() == shared.buffer_size as usize
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

impl<K: PoolKind> Core<K> {
    /// Takes back a reference that bypasses the ring and is not counted as recycling. Returns whether it is in the cache now.
    fn readmit_any<H: Kind>(&mut self, memory: Netmem<H>) -> bool {
        let (count, cached) = (self.cache.len(), self.stats.recycle_cached);
        self.recycle_direct(memory, u32::MAX);
        self.stats.recycle_cached = cached;
        self.cache.len() != count
    }

    fn wish_any(&self) -> Wish {
        Wish { pool: self.id(), order: self.shared().order, nid: self.nid }
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
