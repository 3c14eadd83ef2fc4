//! [`Core`]: the consumer side of a pool, whatever its kind.

use super::frag_page::FragPage;
use super::shared::{Shared, can_stay, stamp, unref};
use super::{AnyProvider, CACHE, FreeIov, Netmem, REFILL, Refill, Stats};
use crate::memory::{Kind, NetIov, NetmemRef, Page, PageOrIov, PoolId, Raw};
use crate::mm::{FreePage, page_ref_count, page_size, page_to_nid};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;
use core::{hint, ptr};

/// The consumer side, whatever the kind. Public because a sealed trait mentions it; nobody can name it.
///
/// # Invariants
///
/// `cache[..count]` are words of this pool without references outstanding, synced for the device. `held` is how many
/// pieces of memory ever came in.
pub struct Core {
    pub(super) count: usize,
    /// `shared`, or null when whatever is recycled must be synced: one compare answers both questions.
    pub(super) fast_pp: *mut (),
    pub(super) shared: NonNull<Shared>,
    /// Bytes in a piece of memory.
    pub(super) buffer_size: u32,
    pub(super) frag: FragPage,
    pub(super) stats: Stats,
    cache: [MaybeUninit<Raw>; CACHE],
    pub(super) held: isize,
    /// The NUMA node that the pool wants its pages from.
    nid: Option<i32>,
}

// SAFETY: the pointers are to the shared part, which is `Sync`; `Core` is one of its owners.
unsafe impl Send for Core {}
// SAFETY: `&Core` reads counters that only `&mut Core` writes, and the shared part.
unsafe impl Sync for Core {}

impl Core {
    /// The consumer side of a pool that has nothing yet.
    ///
    /// # Safety
    ///
    /// The owner's part of `shared` becomes this value's.
    pub(super) unsafe fn new(shared: NonNull<Shared>, nid: Option<i32>) -> Self {
        // SAFETY: the owner's part keeps it, says the caller.
        let made = unsafe { shared.as_ref() };
        let (sync, buffer_size) = (made.syncs_for_device(), made.buffer_size);
        Core {
            count: 0,
            fast_pp: if sync { ptr::null_mut() } else { shared.as_ptr().cast() },
            shared,
            buffer_size,
            frag: FragPage::none(),
            stats: Stats::default(),
            cache: [MaybeUninit::uninit(); CACHE],
            held: 0,
            nid,
        }
    }

    #[inline(always)]
    pub(super) fn shared(&self) -> &Shared {
        // SAFETY: the owner's part keeps it until `drop`.
        unsafe { self.shared.as_ref() }
    }

    pub(super) fn id(&self) -> PoolId {
        PoolId::new(self.shared.cast())
    }

    pub(super) fn order(&self) -> u32 {
        self.shared().order
    }

    pub(super) fn nid(&self) -> Option<i32> {
        self.nid
    }

    /// Takes in a page, or hands it back.
    pub(super) fn admit_page(&mut self, page: FreePage) -> Result<(), FreePage> {
        let shared = self.shared();
        let fits = self.count < CACHE
            && matches!(*shared.provider, AnyProvider::Page(_))
            && page_size(page.page()) == shared.buffer_size as usize
            && page_ref_count(page.page()) == 1;
        if !fits {
            return Err(page);
        }
        if let Some(dma) = &shared.dma {
            // SAFETY: the page is this pool's from here on.
            if dma.map && !unsafe { dma.map(page.page()) } {
                return Err(page);
            }
        }
        let page = page.into_raw();
        // SAFETY: a page of the right order, free until now and ours from now on.
        unsafe { self.hold::<Page>(Raw::page(page)) };
        Ok(())
    }

    /// Takes in a net_iov, or hands it back.
    pub(super) fn admit_iov(&mut self, iov: FreeIov) -> Result<(), FreeIov> {
        let shared = self.shared();
        let fits = self.count < CACHE
            && matches!(*shared.provider, AnyProvider::NetIov(_))
            && iov.size() == shared.buffer_size as usize
            && shared.dma.as_ref().is_some_and(|dma| iov.is_for(dma.device_id));
        if !fits {
            return Err(iov);
        }
        let iov = iov.into_raw();
        // SAFETY: a net_iov of the right size, free until now and ours from now on.
        unsafe { self.hold::<NetIov>(Raw::net_iov(iov)) };
        Ok(())
    }

    /// Signs memory over to this pool and puts it into the cache.
    ///
    /// # Safety
    ///
    /// `raw` is of kind `K`, free, and given up by the caller; the cache has room; a page is mapped if it must be.
    unsafe fn hold<K: Kind>(&mut self, raw: Raw) {
        // SAFETY: kind `K`, says the caller.
        let desc = unsafe { raw.untag::<K>() };
        // SAFETY: it is the caller's, so it lives.
        let fields = unsafe { desc.as_ref() };
        stamp(self.shared, fields);
        self.held += 1;
        let shared = self.shared();
        // SAFETY: the memory is free, and of this pool since the stamp.
        unsafe { shared.entered(raw, self.held) };
        // SAFETY: the memory is nobody else's, and the pool has not been scrubbed while its owner lives.
        unsafe { shared.sync_for_device(fields, u32::MAX) };
        // INVARIANT: no references yet, synced.
        self.cache[self.count].write(raw);
        self.count += 1;
    }

    /// Takes the youngest word out of the cache.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<Raw> {
        // SAFETY: by the invariant the cache holds at most as many as it has room for.
        unsafe { hint::assert_unchecked(self.count <= CACHE) };
        if self.count == 0 {
            return None;
        }
        self.count -= 1;
        // SAFETY: `cache[..count]` is initialised, and this was the last of it.
        Some(unsafe { self.cache[self.count].assume_init() })
    }

    /// Fills the empty cache, from the ring or else from the provider, and takes one word out.
    #[cold]
    #[inline(never)]
    pub(super) fn refill(&mut self) -> Option<Raw> {
        if let Some(raw) = self.refill_from_ring() {
            return Some(raw);
        }
        let shared = self.shared;
        // SAFETY: the owner's part keeps it; the reference is not tied to `self`, which is written below.
        let shared = unsafe { shared.as_ref() };
        match &*shared.provider {
            AnyProvider::Page(provider) if provider.is_page_allocator() => {
                let high = shared.order != 0;
                provider.alloc(&mut Refill::new(self, if high { 1 } else { REFILL }));
                if self.count != 0 {
                    *(if high { &mut self.stats.alloc_slow_high_order } else { &mut self.stats.alloc_slow }) += 1;
                }
            }
            AnyProvider::Page(provider) => provider.alloc(&mut Refill::new(self, REFILL)),
            AnyProvider::NetIov(provider) => provider.alloc(&mut Refill::new(self, REFILL)),
        }
        self.pop()
    }

    /// Moves words from the ring to the cache, which is empty, and takes one out. A page of another node than the
    /// pool's ends that: it leaves the pool, and what is behind it stays in the ring for the next time.
    fn refill_from_ring(&mut self) -> Option<Raw> {
        let shared = self.shared;
        // SAFETY: the owner's part keeps it; the reference is not tied to `self`, which is written below.
        let shared = unsafe { shared.as_ref() };
        let room = &mut self.cache[..REFILL];
        let (count, waived) = match self.nid {
            // SAFETY: `&mut Core` is the one consumer.
            None => unsafe { shared.ring.pop(room, |_| true) },
            Some(nid) => {
                // SAFETY: what is in the ring has no references, so the memory is the pool's.
                let keep = |raw| unsafe { is_on_node(raw, nid) };
                // SAFETY: `&mut Core` is the one consumer.
                unsafe { shared.ring.pop(room, keep) }
            }
        };
        // INVARIANT: the cache was empty. What is in the ring is of this pool and has no references; it is synced before
        // anybody's code runs, which may panic.
        self.count = count;
        if shared.syncs_for_device() {
            for word in &self.cache[..self.count] {
                // SAFETY: below `count` the cache is initialised.
                let raw = unsafe { word.assume_init() };
                // SAFETY: `PageOrIov` claims nothing.
                let desc = unsafe { raw.untag::<PageOrIov>() };
                // SAFETY: memory in the cache is the pool's, so it lives.
                let fields = unsafe { desc.as_ref() };
                // SAFETY: it has no references, and the pool has not been scrubbed while its owner lives.
                unsafe { shared.sync_for_device(fields, u32::MAX) }
            }
        }
        match waived {
            None if count == 0 => {
                self.stats.alloc_empty += 1;
                return None;
            }
            None => {}
            Some(raw) => {
                self.stats.alloc_waive += 1;
                // SAFETY: it has no references, and was taken out of the ring.
                unsafe { Shared::release(self.shared, raw) }
            }
        }
        let raw = self.pop()?;
        self.stats.alloc_refill += 1;
        Some(raw)
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

    /// Gives what is in the cache back to the provider.
    pub(super) fn empty_cache(&mut self) {
        while let Some(raw) = self.pop() {
            // SAFETY: what is in the cache has no references. The owner's part keeps the pool.
            unsafe { Shared::release(self.shared, raw) }
        }
    }

    /// Takes a word out of the cache, filling it if it must.
    #[inline(always)]
    pub(super) fn alloc(&mut self) -> Option<Raw> {
        match self.pop() {
            Some(raw) => {
                self.stats.alloc_fast += 1;
                Some(raw)
            }
            None => self.refill(),
        }
    }

    /// Fills `out` from the front, as far as there is memory, and says how far.
    pub(super) fn alloc_bulk(&mut self, out: &mut [MaybeUninit<Raw>]) -> usize {
        let mut done = 0;
        while done < out.len() {
            let count = self.count.min(out.len() - done);
            if count == 0 {
                let Some(raw) = self.refill() else { break };
                out[done].write(raw);
                done += 1;
                continue;
            }
            let rest = self.count - count;
            // INVARIANT: what is copied is no longer below `count`.
            out[done..done + count].copy_from_slice(&self.cache[rest..self.count]);
            self.count = rest;
            self.stats.alloc_fast += count as u64;
            done += count;
        }
        done
    }

    /// Drops a reference, and puts the memory into the cache if it was the last. If the pool syncs, it shows the device
    /// `sync_len` bytes, or as many as the pool's parameters say if that is less.
    #[inline(always)]
    pub(super) fn recycle_direct<K: Kind>(&mut self, memory: Netmem<K>, sync_len: u32) {
        let raw = memory.into_word();
        // SAFETY: it was a handle of kind `K`.
        let desc = unsafe { raw.untag::<K>() };
        // SAFETY: the memory lives while the reference, ours now, does.
        let fields = unsafe { desc.as_ref() };
        // Nobody writes `pp` while a handle lives.
        if fields.pp_ref().load(Relaxed) != self.fast_pp {
            // SAFETY: the handle's reference goes along.
            return unsafe { self.recycle_other::<K>(raw, sync_len) };
        }
        if !unref(fields, 1) {
            return;
        }
        // SAFETY: the last reference was the handle's; the memory is ours, and needs no sync.
        unsafe { self.stash::<K>(raw) }
    }

    /// Drops a reference to memory that comes back beside the ring, and is no recycling. Whether it is in the cache now.
    pub(super) fn readmit<K: Kind>(&mut self, memory: Netmem<K>) -> bool {
        let (count, cached) = (self.count, self.stats.recycle_cached);
        self.recycle_direct(memory, u32::MAX);
        self.stats.recycle_cached = cached;
        self.count != count
    }

    /// Puts memory of this pool into the cache if it may stay and there is room.
    ///
    /// # Safety
    ///
    /// `raw` is of kind `K` and of this pool, without references, and synced.
    #[inline(always)]
    unsafe fn stash<K: Kind>(&mut self, raw: Raw) {
        // SAFETY: as for this function.
        if !unsafe { can_stay::<K>(raw) } {
            // SAFETY: as for this function.
            return unsafe { put_unrefed_cold::<K>(raw) };
        }
        // SAFETY: by the invariant the cache holds at most as many as it has room for.
        unsafe { hint::assert_unchecked(self.count <= CACHE) };
        if self.count == CACHE {
            self.stats.recycle_cache_full += 1;
            // SAFETY: as for this function.
            return unsafe { put_unrefed_cold::<K>(raw) };
        }
        // INVARIANT: the caller promises what the cache demands.
        self.cache[self.count].write(raw);
        self.count += 1;
        self.stats.recycle_cached += 1;
    }

    /// The rest of [`recycle_direct`](Self::recycle_direct): memory of another pool, or memory to sync.
    ///
    /// # Safety
    ///
    /// `raw` is of kind `K`, and the caller gives up a reference.
    #[cold]
    #[inline(never)]
    unsafe fn recycle_other<K: Kind>(&mut self, raw: Raw, sync_len: u32) {
        // SAFETY: kind `K`, says the caller.
        let desc = unsafe { raw.untag::<K>() };
        // SAFETY: the memory lives while the reference does.
        let fields = unsafe { desc.as_ref() };
        if !ptr::addr_eq(fields.pp_ref().load(Relaxed), self.shared.as_ptr()) {
            // SAFETY: the reference goes along. The handle returns to its own pool.
            return unsafe { Shared::put::<K>(raw) };
        }
        if !unref(fields, 1) {
            return;
        }
        // SAFETY: that was the last reference, so the memory is ours to ask about.
        if unsafe { can_stay::<K>(raw) } {
            // SAFETY: it has no references, and the pool has not been scrubbed while its owner lives.
            unsafe { self.shared().sync_for_device(fields, sync_len) }
        }
        // SAFETY: ours, without references, and synced if it may stay.
        unsafe { self.stash::<K>(raw) }
    }

    /// [`recycle_direct`](Self::recycle_direct) for many. What does not go into the cache goes through the rings, in one
    /// go for each pool.
    ///
    /// # Safety
    ///
    /// `words` are initialised and of kind `K`, and the caller gives up a reference to each.
    pub(super) unsafe fn recycle_bulk<K: Kind>(&mut self, words: &mut [MaybeUninit<Raw>]) {
        let (mut left, mut count, fast_pp) = (0, self.count, self.fast_pp);
        for i in 0..words.len() {
            // SAFETY: initialised, says the caller; what is written below lies before `i`.
            let raw = unsafe { words[i].assume_init() };
            // SAFETY: kind `K`, says the caller.
            let desc = unsafe { raw.untag::<K>() };
            // SAFETY: the memory lives while the reference, ours now, does.
            let fields = unsafe { desc.as_ref() };
            if !unref(fields, 1) {
                continue;
            }
            // SAFETY: that was the last reference, so the memory is ours to ask about.
            let fast = fields.pp_ref().load(Relaxed) == fast_pp && unsafe { can_stay::<K>(raw) };
            if fast && count < CACHE {
                self.cache[count].write(raw);
                count += 1;
            } else {
                words[left].write(raw);
                left += 1;
            }
        }
        self.stats.recycle_cached += (count - self.count) as u64;
        // INVARIANT: what was added is of this pool, without references, and needs no sync.
        self.count = count;
        if left != 0 {
            // SAFETY: the first `left` are initialised and without references.
            unsafe { self.recycle_rest::<K>(&mut words[..left]) }
        }
    }

    /// The rest of [`recycle_bulk`](Self::recycle_bulk): memory to sync, of other pools, that may not stay, or that does
    /// not fit into the cache.
    ///
    /// # Safety
    ///
    /// As there, but the last reference to each has been counted down already.
    #[cold]
    #[inline(never)]
    unsafe fn recycle_rest<K: Kind>(&mut self, words: &mut [MaybeUninit<Raw>]) {
        let mut left = 0;
        for i in 0..words.len() {
            // SAFETY: initialised, says the caller; what is written below lies before `i`.
            let raw = unsafe { words[i].assume_init() };
            // SAFETY: kind `K`, says the caller.
            let desc = unsafe { raw.untag::<K>() };
            // SAFETY: the memory is the caller's, so it lives.
            let fields = unsafe { desc.as_ref() };
            // SAFETY: it has no references.
            if ptr::addr_eq(fields.pp_ref().load(Relaxed), self.shared.as_ptr()) && unsafe { can_stay::<K>(raw) } {
                // SAFETY: the same, and the pool has not been scrubbed while its owner lives.
                unsafe { self.shared().sync_for_device(fields, u32::MAX) }
                if self.count < CACHE {
                    // INVARIANT: of this pool, without references, synced.
                    self.cache[self.count].write(raw);
                    self.count += 1;
                    self.stats.recycle_cached += 1;
                    continue;
                }
                self.stats.recycle_cache_full += 1;
            }
            words[left].write(raw);
            left += 1;
        }
        // SAFETY: the first `left` are initialised, of kind `K`, without references, and given up.
        unsafe { Shared::put_unrefed_bulk::<K>(&mut words[..left]) }
    }
}

/// Whether memory is where a pool wants it. A net_iov is wherever its provider has put it.
///
/// # Safety
///
/// `raw` is memory of a pool, to which the caller holds a reference.
unsafe fn is_on_node(raw: Raw, nid: i32) -> bool {
    // SAFETY: it lives while the caller has a reference; `PageOrIov` claims nothing.
    let memory = unsafe { NetmemRef::<PageOrIov>::new(raw) };
    memory.backing().page().is_none_or(|page| page_to_nid(page) == nid)
}

/// [`Shared::put_unrefed`], out of line.
///
/// # Safety
///
/// As there.
#[cold]
#[inline(never)]
unsafe fn put_unrefed_cold<K: Kind>(raw: Raw) {
    // SAFETY: promised by the caller.
    unsafe { Shared::put_unrefed::<K>(raw) }
}
