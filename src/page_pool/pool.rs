//! [`PagePool`]: the consumer side of a pool, and its owner.

use super::ring::Ring;
use super::shared::{PoolDma, Shared, stamp, unref};
use super::{
    AnyProvider, CACHE, Frag, FreeIov, Netmem, PagePoolParams, PoolError, PoolFlags, PoolKind, REFILL, Received,
    Refill, Refused, Stats,
};
use crate::assert::assert_not_impl_any;
use crate::dma::DmaDevice;
use crate::memory::{Kind, NetIov, Page, PageOrIov, PoolId, Raw};
use crate::mm::{FreePage, MAX_ORDER, PAGE_SIZE, page_is_pfmemalloc, page_ref_count, page_size};
use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;
use core::{hint, ptr};

/// How many references a page that is being cut into fragments starts with: more than it will have users.
const BIAS_MAX: isize = isize::MAX >> 1;
/// Fragments start at multiples of this many bytes, a cache line.
const FRAG_ALIGN: u32 = 64;

/// The page that fragments are being cut from.
///
/// # Invariants
///
/// `BIAS_MAX - users` of its `pp_ref_count` are the pool's, and no frag lies at or behind `offset`.
struct FragPage {
    raw: Raw,
    offset: u32,
    users: isize,
}

impl FragPage {
    /// Whether nobody has a fragment of it.
    fn is_unused(&self) -> bool {
        // SAFETY: `PageOrIov` claims nothing.
        let desc = unsafe { self.raw.untag::<PageOrIov>() };
        // SAFETY: the memory lives while the pool has references to it.
        unsafe { desc.as_ref() }.pp_ref_count() == BIAS_MAX - self.users
    }
}

/// The consumer side, whatever the kind. Public because a sealed trait mentions it; nobody can name it.
///
/// # Invariants
///
/// `cache[..count]` are words of this pool without references outstanding, synced for the device. `held` is how many
/// pieces of memory ever came in.
pub struct Core {
    count: usize,
    /// `shared`, or null when whatever is recycled must be synced: one compare answers both questions.
    fast_pp: *mut (),
    shared: NonNull<Shared>,
    cache: [MaybeUninit<Raw>; CACHE],
    stats: Stats,
    held: isize,
    frag: Option<FragPage>,
}

// SAFETY: the pointers are to the shared part, which is `Sync`; `Core` is one of its owners.
unsafe impl Send for Core {}
// SAFETY: `&Core` reads counters that only `&mut Core` writes, and the shared part.
unsafe impl Sync for Core {}

impl Core {
    #[inline(always)]
    fn shared(&self) -> &Shared {
        // SAFETY: the owner's part keeps it until `drop`.
        unsafe { self.shared.as_ref() }
    }

    pub(super) fn order(&self) -> u32 {
        self.shared().order
    }

    /// Takes in a page, or hands it back.
    pub(super) fn admit_page(&mut self, page: FreePage) -> Result<(), FreePage> {
        let shared = self.shared();
        let fits = self.count < CACHE
            && matches!(shared.provider, AnyProvider::Page(_))
            && page_size(page.page()) == shared.buffer_size as usize
            && page_ref_count(page.page()) == 1;
        if !fits {
            return Err(page);
        }
        if let Some(dma) = &shared.dma {
            if dma.map && !dma.map(page.page()) {
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
            && matches!(shared.provider, AnyProvider::NetIov(_))
            && iov.size() == shared.buffer_size as usize
            && shared.dma.as_ref().is_some_and(|dma| iov.is_for(&dma.device));
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
        // SAFETY: the memory is nobody else's, and the pool has not been scrubbed while its owner lives.
        unsafe { self.shared().sync_for_device(fields) };
        self.held += 1;
        // INVARIANT: no references yet, synced.
        self.cache[self.count].write(raw);
        self.count += 1;
    }

    /// Takes the youngest word out of the cache.
    #[inline(always)]
    fn pop(&mut self) -> Option<Raw> {
        // SAFETY: by the invariant the cache holds at most as many as it has room for.
        unsafe { hint::assert_unchecked(self.count <= CACHE) };
        if self.count == 0 {
            return None;
        }
        self.count -= 1;
        // SAFETY: `cache[..count]` is initialised, and this was the last of it.
        Some(unsafe { self.cache[self.count].assume_init() })
    }

    /// Fills the cache: from the ring, else from the provider.
    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> Option<Raw> {
        let shared = self.shared;
        // SAFETY: the owner's part keeps it; the reference is not tied to `self`, which is written below.
        let shared = unsafe { shared.as_ref() };
        let (cache, mut count) = (&mut self.cache, self.count);
        // SAFETY: `&mut Core` is the one consumer. The cache is empty, so 64 fit.
        let refilled = unsafe {
            shared.ring.pop(REFILL, |raw| {
                cache[count].write(raw);
                count += 1;
            })
        };
        self.count = count;
        if refilled != 0 {
            self.stats.alloc_refill += 1;
            if shared.syncs_for_device() {
                for word in &self.cache[..self.count] {
                    // SAFETY: below `count` the cache is initialised.
                    let raw = unsafe { word.assume_init() };
                    // SAFETY: `PageOrIov` claims nothing.
                    let desc = unsafe { raw.untag::<PageOrIov>() };
                    // SAFETY: memory in the cache is the pool's, so it lives.
                    let fields = unsafe { desc.as_ref() };
                    // SAFETY: it has no references, and the pool has not been scrubbed while its owner lives.
                    unsafe { shared.sync_for_device(fields) }
                }
            }
            return self.pop();
        }
        self.stats.alloc_empty += 1;
        match &shared.provider {
            AnyProvider::Page(provider) => {
                let high = shared.order != 0;
                provider.alloc(&mut Refill::new(self, if high { 1 } else { REFILL }));
                if self.count != 0 {
                    *(if high { &mut self.stats.alloc_slow_high_order } else { &mut self.stats.alloc_slow }) += 1;
                }
            }
            AnyProvider::NetIov(provider) => provider.alloc(&mut Refill::new(self, REFILL)),
        }
        self.pop()
    }

    /// Takes a word out of the cache, filling it if it must.
    #[inline(always)]
    fn alloc(&mut self) -> Option<Raw> {
        match self.pop() {
            Some(raw) => {
                self.stats.alloc_fast += 1;
                Some(raw)
            }
            None => self.refill(),
        }
    }

    /// Drops a reference, and puts the memory into the cache if it was the last.
    #[inline(always)]
    pub(super) fn recycle_direct<K: Kind>(&mut self, memory: Netmem<K>) {
        let raw = memory.into_word();
        // SAFETY: it was a handle of kind `K`.
        let desc = unsafe { raw.untag::<K>() };
        // SAFETY: the memory lives while the reference, ours now, does.
        let fields = unsafe { desc.as_ref() };
        // Nobody writes `pp` while a handle lives.
        if fields.pp_ref().load(Relaxed) != self.fast_pp {
            // SAFETY: the handle's reference goes along.
            return unsafe { self.recycle_other::<K>(raw) };
        }
        if !unref(fields, 1) {
            return;
        }
        // SAFETY: the last reference was the handle's; the memory is ours, and needs no sync.
        unsafe { self.stash::<K>(raw) }
    }

    /// Puts memory of this pool into the cache if it may stay and there is room.
    ///
    /// # Safety
    ///
    /// `raw` is of kind `K` and of this pool, without references, and synced.
    #[inline(always)]
    unsafe fn stash<K: Kind>(&mut self, raw: Raw) {
        if !raw.is_net_iov::<K>() {
            // CAST: an untagged word is the page's address. SAFETY: the memory is the pool's, so it lives.
            let page: &Page = unsafe { raw.word().cast().as_ref() };
            if page_ref_count(page) != 1 || page_is_pfmemalloc(page) {
                // SAFETY: as for this function.
                return unsafe { put_unrefed_cold::<K>(raw) };
            }
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
    unsafe fn recycle_other<K: Kind>(&mut self, raw: Raw) {
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
        if unsafe { Shared::can_recycle::<K>(raw) } {
            // SAFETY: it has no references, and the pool has not been scrubbed while its owner lives.
            unsafe { self.shared().sync_for_device(fields) }
        }
        // SAFETY: ours, without references, and synced if it may stay.
        unsafe { self.stash::<K>(raw) }
    }

    /// A reference to a fresh range of `size` bytes.
    #[inline]
    fn alloc_frag(&mut self, size: u32) -> Option<(Raw, u32)> {
        let max = self.shared().buffer_size;
        if size == 0 || size > max {
            return None;
        }
        let step = size.next_multiple_of(FRAG_ALIGN);
        if let Some(page) = &mut self.frag {
            if page.offset <= max - size {
                let offset = page.offset;
                page.offset += step;
                page.users += 1;
                return Some((page.raw, offset));
            }
        }
        self.next_frag_page(step)
    }

    /// Gives back the pool's part of the fragment page, and starts on a new one, or on the same when nobody has it.
    #[cold]
    #[inline(never)]
    fn next_frag_page(&mut self, step: u32) -> Option<(Raw, u32)> {
        let raw = match self.frag.take().and_then(|page| self.drain(page)) {
            Some(raw) => {
                self.stats.recycle_cached += 1;
                self.stats.alloc_fast += 1;
                raw
            }
            None => self.alloc()?,
        };
        // SAFETY: `PageOrIov` claims nothing.
        let desc = unsafe { raw.untag::<PageOrIov>() };
        // SAFETY: the memory is the pool's, so it lives.
        unsafe { desc.as_ref() }.pp_ref_count_ref().store(BIAS_MAX, Relaxed);
        // INVARIANT: of BIAS_MAX one is the new frag's.
        self.frag = Some(FragPage { raw, offset: step, users: 1 });
        Some((raw, 0))
    }

    /// Drops the pool's references to the fragment page. The page, when they were the last and it may stay.
    #[doc(alias = "page_pool_drain_frag")]
    fn drain(&mut self, page: FragPage) -> Option<Raw> {
        // SAFETY: `PageOrIov` claims nothing.
        let desc = unsafe { page.raw.untag::<PageOrIov>() };
        // SAFETY: the memory lives while the pool has references to it.
        let fields = unsafe { desc.as_ref() };
        if !unref(fields, BIAS_MAX - page.users) {
            return None;
        }
        // SAFETY: those were the last references.
        if !unsafe { Shared::can_recycle::<PageOrIov>(page.raw) } {
            // SAFETY: the same. The owner's part keeps the pool.
            unsafe { Shared::release(self.shared, page.raw) };
            return None;
        }
        // SAFETY: it has no references, and the pool has not been scrubbed while its owner lives.
        unsafe { self.shared().sync_for_device(fields) };
        Some(page.raw)
    }
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

/// A pool of network memory: `struct page_pool`, with the consumer side in hand.
///
/// Whoever has `&mut PagePool` is the consumer: it allocates and recycles without a lock or an atomic
/// read-modify-write (rule N1). Everybody else has handles, and drops them. Dropping the pool while handles are out is
/// fine: cache and ring go back to the provider, what is out is unmapped, and the last handle frees the rest.
///
#[doc = include_str!("../../docs/shutdown.svg")]
///
/// The kind says what comes out. `PagePool<Page>` takes providers of pages only, so what it gives is readable without a
/// check (rule P2); `PagePool` takes any.
///
/// ```
/// use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Page};
///
/// let zone = Zone::new(128)?;
/// let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(zone.clone()))?;
/// let first = pool.alloc().expect("pages are free");
/// let word = first.as_ref().into_raw();
/// pool.recycle_direct(first);
/// let again = pool.alloc().expect("the cache has it");
/// assert_eq!(again.as_ref().into_raw(), word, "last in, first out");
/// std::thread::spawn(move || drop(again)).join().unwrap(); // through the ring
/// assert_eq!(pool.stats().recycle_ring, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PagePool<K: PoolKind = PageOrIov> {
    core: Core,
    _kind: PhantomData<fn() -> K>,
}

assert_not_impl_any!(PagePool: Clone, Copy, Default);

impl<K: PoolKind> PagePool<K> {
    /// A pool with these parameters over this provider.
    ///
    /// Name the kind in the call: `PagePool::<Page>::new(params, provider)` takes a provider of pages as it is, and
    /// `PagePool::<PageOrIov>::new(params, AnyProvider::from(provider))` one of either kind.
    ///
    /// # Errors
    ///
    /// [`PoolError`]: the parameters do not fit together, the provider refused, or there is no memory.
    #[doc(alias = "page_pool_create")]
    pub fn new(params: PagePoolParams, provider: K::Provider) -> Result<Self, PoolError> {
        let ring = params.check()?;
        let provider = provider.into();
        if let AnyProvider::NetIov(_) = provider {
            if !params.flags.contains(PoolFlags::DMA_MAP | PoolFlags::DMA_SYNC_DEV) {
                return Err(Refused::NeedsDma.into());
            }
        }
        let buffer_size = provider.init(&params)?;
        let fits = match &provider {
            AnyProvider::Page(_) => params.order <= MAX_ORDER && buffer_size == (PAGE_SIZE as u32) << params.order,
            AnyProvider::NetIov(_) => {
                buffer_size.is_power_of_two() && (PAGE_SIZE as u32..=1 << 31).contains(&buffer_size)
            }
        };
        if !fits {
            return Err(PoolError::BufferSize { size: buffer_size, order: params.order });
        }
        params.check_range(buffer_size)?;
        let dma = match &params.device {
            Some(device) if params.flags.contains(PoolFlags::DMA_MAP) => {
                Some(PoolDma::new(device.clone(), &params, &provider))
            }
            _ => None,
        };
        let shared = Shared::new(Ring::new(ring)?, provider, dma, buffer_size, params.order)?;
        // SAFETY: just made, and the owner's part is this function's.
        let sync = unsafe { shared.as_ref() }.syncs_for_device();
        Ok(PagePool {
            core: Core {
                count: 0,
                fast_pp: if sync { ptr::null_mut() } else { shared.as_ptr().cast() },
                shared,
                cache: [MaybeUninit::uninit(); CACHE],
                stats: Stats::default(),
                held: 0,
                frag: None,
            },
            _kind: PhantomData,
        })
    }

    /// One piece of memory; `None` when ring and provider have none, or the device cannot map it.
    ///
    /// It has been synced for the device if the pool was made with `DMA_SYNC_DEV` for a device that needs it. Its bytes
    /// are whatever their last owner left.
    #[inline]
    #[doc(alias = "page_pool_alloc_netmems")]
    #[doc(alias = "page_pool_alloc_pages")]
    #[doc(alias = "page_pool_dev_alloc_netmems")]
    #[doc(alias = "page_pool_dev_alloc_pages")]
    pub fn alloc(&mut self) -> Option<Netmem<K>> {
        let raw = self.core.alloc()?;
        // SAFETY: of kind `K`, as the provider's is; the count is 1, and this handle is it.
        Some(unsafe { Netmem::new(raw) })
    }

    /// A range of `size` bytes that starts at a multiple of 64; many share one piece of memory. `None` when `size` is 0
    /// or more than a piece has, or when there is no memory. Its bytes are whatever their last owner left.
    #[inline]
    #[doc(alias = "page_pool_alloc_frag_netmem")]
    #[doc(alias = "page_pool_alloc_frag")]
    #[doc(alias = "page_pool_dev_alloc_frag")]
    pub fn alloc_frag(&mut self, size: u32) -> Option<Frag<K>> {
        let (raw, offset) = self.core.alloc_frag(size)?;
        // SAFETY: of kind `K`, as the provider's is; one of the count is this handle's.
        let netmem = unsafe { Netmem::new(raw) };
        // SAFETY: `offset + size` is at most what a piece has, and no other frag reaches there.
        Some(unsafe { Frag::new(netmem, offset, size) })
    }

    /// Drops a handle, and keeps the memory in the cache if it was the last.
    ///
    /// Any handle may be given: one of another pool returns to that pool. It takes the consumer side, so it does not
    /// compile elsewhere (rule N1); there, dropping the handle does the same through the ring.
    #[inline]
    #[doc(alias = "page_pool_recycle_direct_netmem")]
    #[doc(alias = "page_pool_recycle_direct")]
    #[doc(alias = "page_pool_put_full_netmem")]
    pub fn recycle_direct<H: Kind>(&mut self, memory: Netmem<H>) {
        self.core.recycle_direct(memory);
    }

    /// [`recycle_direct`](Self::recycle_direct) for a frag.
    #[inline]
    pub fn recycle_frag<H: Kind>(&mut self, frag: Frag<H>) {
        self.core.recycle_direct(frag.into_netmem());
    }

    /// Shows the CPU what the device wrote, and gives the bytes that were received: syncs [`len`](Received::len) bytes
    /// from the start of the buffer. Coherent devices and dma-bufs need no sync, and get none.
    ///
    /// # Errors
    ///
    /// The buffer, when it is not of this pool: only its own knows the device.
    #[inline]
    #[doc(alias = "page_pool_dma_sync_for_cpu")]
    #[doc(alias = "page_pool_dma_sync_netmem_for_cpu")]
    pub fn sync_for_cpu<H: Kind>(&self, buffer: Received<H>) -> Result<Frag<H>, OtherPool<H>> {
        if buffer.frag().netmem().pp() != Some(self.id()) {
            return Err(OtherPool(buffer));
        }
        if let Some(dma) = self.core.shared().dma.as_ref().filter(|dma| dma.sync_for_cpu) {
            let (addr, offset) = (buffer.frag().netmem().dma_addr(), buffer.frag().offset());
            // SAFETY: memory of this pool, which its owner has not scrubbed, is mapped at its address; the range is
            // inside it; the device has completed it, and the frag is exclusive and ours.
            unsafe { dma.device.sync_for_cpu(addr, offset as usize, buffer.len() as usize) }
        }
        Ok(buffer.into_frag())
    }

    /// Which pool this is: what its handles' [`pp`](crate::NetmemRef::pp) says.
    pub fn id(&self) -> PoolId {
        PoolId::new(self.core.shared.cast())
    }

    /// What the pool has counted.
    #[doc(alias = "page_pool_get_stats")]
    pub fn stats(&self) -> Stats {
        let shared = self.core.shared();
        Stats {
            recycle_ring: shared.ring.pushed() as u64,
            recycle_ring_full: shared.ring_full.load(Relaxed),
            recycle_released_refcnt: shared.released_refcnt.load(Relaxed),
            ..self.core.stats
        }
    }

    /// How many pieces of memory the pool has from its provider, wherever they are.
    #[doc(alias = "page_pool_inflight")]
    pub fn inflight(&self) -> usize {
        (self.core.held - self.core.shared().released()).max(0) as usize
    }

    /// How many of them are neither in cache nor ring: somebody has handles on them. Exact while nobody puts.
    pub fn outstanding(&self) -> usize {
        let uncut = self.core.frag.as_ref().is_some_and(FragPage::is_unused);
        let idle = self.core.count + self.core.shared().ring.len() + usize::from(uncut);
        self.inflight().saturating_sub(idle)
    }

    /// How many bytes each piece of memory has.
    #[inline]
    pub fn buffer_size(&self) -> u32 {
        self.core.shared().buffer_size
    }

    /// Whether its memory is mapped for this device.
    pub fn is_mapped_for(&self, device: &Arc<dyn DmaDevice>) -> bool {
        self.core.shared().dma.as_ref().is_some_and(|dma| dma.reaches(device))
    }

    /// Whether the CPU can read none of the pool's memory. (In Linux: whether it has a provider at all.)
    #[doc(alias = "page_pool_is_unreadable")]
    pub fn is_unreadable(&self) -> bool {
        matches!(self.core.shared().provider, AnyProvider::NetIov(_))
    }
}

impl<K: PoolKind> Drop for PagePool<K> {
    /// Ends the pool. With memory in flight, too: cache and ring go back to the provider, what is still out is unmapped,
    /// and the last handle frees the rest, on whatever thread.
    #[doc(alias = "page_pool_destroy")]
    fn drop(&mut self) {
        let shared = self.core.shared;
        if let Some(page) = self.core.frag.take() {
            if let Some(raw) = self.core.drain(page) {
                // SAFETY: no references are left.
                unsafe { Shared::release(shared, raw) }
            }
        }
        while let Some(raw) = self.core.pop() {
            // SAFETY: what is in the cache has no references. The owner's part keeps the pool.
            unsafe { Shared::release(shared, raw) }
        }
        // SAFETY: this is the owner.
        unsafe { Shared::close(shared) };
        if let Some(dma) = &self.core.shared().dma {
            dma.scrub();
        }
        let held = self.core.held;
        // SAFETY: this is the owner; ring and mappings are done with, and nothing below touches the pool.
        unsafe { Shared::disown(shared, held) }
    }
}

impl<K: PoolKind> fmt::Debug for PagePool<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PagePool")
            .field("kind", &K::NAME)
            .field("id", &self.id())
            .field("buffer_size", &self.buffer_size())
            .field("inflight", &self.inflight())
            .field("outstanding", &self.outstanding())
            .finish()
    }
}

/// The buffer is not of this pool; it comes back untouched.
pub struct OtherPool<K: Kind>(
    /// The buffer.
    pub Received<K>,
);

impl<K: Kind> fmt::Debug for OtherPool<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OtherPool({:?})", self.0)
    }
}

impl<K: Kind> fmt::Display for OtherPool<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pp = self.0.frag().netmem().pp();
        write!(f, "the buffer is of pool {pp:?}, not of this one: sync it with the pool it was allocated from")
    }
}

impl<K: Kind> core::error::Error for OtherPool<K> {}
