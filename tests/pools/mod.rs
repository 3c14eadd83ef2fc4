//! What the tests of pools share: a device that refuses and keeps a log, and providers whose every piece is counted.

#![allow(dead_code, reason = "each test program uses a part of it")]

use netmem::dma::{DeviceId, DmaDevice, DmaDirection, DmaMapping, MapError, PeerError, PeerMemory};
use netmem::mm::{FreePage, PAGE_SIZE, Zone};
use netmem::page_pool::{PagePoolParams, PoolKind, Refill, Refused, Stats};
use netmem::{DmaAddr, FreeIov, MemoryProvider, NetIov, NetIovArea, NetIovType, Page, PagePool};
use netmem_sim::dma::{DmaBus, DmaStats, Iommu};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Whether to refuse the mapping with this number, counted from the call that said so.
type Refusal = Box<dyn FnMut(u64) -> bool + Send>;

/// A device behind an IOMMU that refuses to map when told to, wants syncs when told to, and logs what it is asked.
pub(crate) struct Watched {
    inner: Arc<Iommu>,
    syncs: bool,
    refusal: Mutex<(u64, Refusal)>,
    refused: AtomicU64,
    /// Offset and length of each sync for the device since they were last taken.
    log: Mutex<Vec<(usize, usize)>>,
    gone: AtomicBool,
    late: AtomicU64,
}

impl Watched {
    pub(crate) fn new(syncs: bool) -> Arc<Self> {
        Arc::new(Watched {
            inner: Arc::new(Iommu::new()),
            syncs,
            refusal: Mutex::new((0, Box::new(|_| false))),
            refused: AtomicU64::new(0),
            log: Mutex::new(Vec::new()),
            gone: AtomicBool::new(false),
            late: AtomicU64::new(0),
        })
    }

    /// From now on mappings for whose number (0 for the next) `refusal` is true are refused.
    pub(crate) fn refuse(&self, refusal: impl FnMut(u64) -> bool + Send + 'static) {
        *self.refusal.lock().unwrap() = (0, Box::new(refusal));
    }

    /// How many mappings were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(SeqCst)
    }

    /// The device is unplugged: it maps nothing, and every call from now on is counted as late.
    pub(crate) fn unplug(&self) {
        self.gone.store(true, SeqCst);
    }

    /// How many calls came after the device was unplugged.
    pub(crate) fn late(&self) -> u64 {
        self.late.load(SeqCst)
    }

    /// Offset and length of the syncs for the device since the last call.
    pub(crate) fn take_syncs(&self) -> Vec<(usize, usize)> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    pub(crate) fn stats(&self) -> DmaStats {
        self.inner.stats()
    }

    fn asked(&self) -> bool {
        let gone = self.gone.load(SeqCst);
        self.late.fetch_add(gone.into(), SeqCst);
        !gone
    }
}

// SAFETY: every address and access is the inner device's, which keeps the promises; a refusal makes no address.
unsafe impl DmaDevice for Watched {
    fn id(&self) -> DeviceId {
        self.inner.id()
    }

    unsafe fn map(&self, page: &Page, direction: DmaDirection) -> Option<DmaAddr> {
        let mut refusal = self.refusal.lock().unwrap();
        let number = refusal.0;
        refusal.0 += 1;
        if !self.asked() || refusal.1(number) {
            self.refused.fetch_add(1, SeqCst);
            return None;
        }
        // SAFETY: promised by the caller.
        unsafe { self.inner.map(page, direction) }
    }

    unsafe fn unmap(&self, addr: DmaAddr) {
        self.asked();
        // SAFETY: promised by the caller.
        unsafe { self.inner.unmap(addr) }
    }

    fn map_peer(
        &self,
        memory: Arc<dyn PeerMemory>,
        offset: usize,
        len: usize,
        direction: DmaDirection,
    ) -> Result<DmaAddr, MapError> {
        if !self.asked() {
            return Err(MapError::NoRoom { len });
        }
        self.inner.map_peer(memory, offset, len, direction)
    }

    unsafe fn unmap_peer(&self, addr: DmaAddr) {
        // SAFETY: promised by the caller.
        unsafe { self.inner.unmap_peer(addr) }
    }

    fn needs_sync(&self) -> bool {
        self.syncs
    }

    unsafe fn sync_for_cpu(&self, addr: DmaAddr, offset: usize, len: usize) {
        self.asked();
        // SAFETY: promised by the caller.
        unsafe { self.inner.sync_for_cpu(addr, offset, len) }
    }

    unsafe fn sync_for_device(&self, addr: DmaAddr, offset: usize, len: usize) {
        self.asked();
        self.log.lock().unwrap().push((offset, len));
        // SAFETY: promised by the caller.
        unsafe { self.inner.sync_for_device(addr, offset, len) }
    }

    unsafe fn sync_bytes_for_device(&self, addr: DmaAddr, offset: usize, bytes: &[u8]) {
        // SAFETY: promised by the caller.
        unsafe { self.inner.sync_bytes_for_device(addr, offset, bytes) }
    }
}

/// Memory of a device that nobody looks at.
pub(crate) struct Vram(pub(crate) usize);

impl PeerMemory for Vram {
    fn len(&self) -> usize {
        self.0
    }
    fn write(&self, _offset: usize, _bytes: &[u8]) -> Result<(), PeerError> {
        Ok(())
    }
}

/// The plainest provider of device memory.
pub(crate) struct Iovs {
    free: Mutex<Vec<FreeIov>>,
    syncs: bool,
}

impl Iovs {
    /// `count` net_iovs of 4096 bytes, mapped for `device`; whether the provider wants them synced.
    pub(crate) fn new(device: Arc<dyn DmaDevice>, count: usize, syncs: bool) -> Arc<Self> {
        let len = count * PAGE_SIZE;
        let mapping = DmaMapping::new(device, Arc::new(Vram(len)), 0, len).unwrap();
        let free = NetIovArea::carve(mapping, PAGE_SIZE, NetIovType::DmaBuf, 0).unwrap();
        Arc::new(Iovs { free: Mutex::new(free), syncs })
    }

    pub(crate) fn free(&self) -> usize {
        self.free.lock().unwrap().len()
    }
}

impl MemoryProvider for Iovs {
    type Kind = NetIov;

    fn init(&self, _params: &PagePoolParams) -> Result<u32, Refused> {
        Ok(PAGE_SIZE as u32)
    }

    fn alloc(&self, out: &mut Refill<'_, NetIov>) {
        let mut free = self.free.lock().unwrap();
        while let Some(iov) = free.pop() {
            if let Err(iov) = out.push(iov) {
                free.push(iov);
                return;
            }
        }
    }

    fn release(&self, iov: FreeIov) {
        self.free.lock().unwrap().push(iov);
    }

    fn wants_sync(&self) -> bool {
        self.syncs
    }
}

/// Pages of two nodes, handed out one node at a time and within an allowance.
pub(crate) struct Bank {
    pub(crate) zones: [Zone; 2],
    node: AtomicUsize,
    allowance: AtomicUsize,
    released: AtomicU64,
}

impl Bank {
    /// `frames` frames on node 0 and as many on node 1. Node 0 is served first, without a limit.
    pub(crate) fn new(frames: usize) -> Arc<Self> {
        Arc::new(Bank {
            zones: [Zone::on_node(frames, 0).unwrap(), Zone::on_node(frames, 1).unwrap()],
            node: AtomicUsize::new(0),
            allowance: AtomicUsize::new(usize::MAX),
            released: AtomicU64::new(0),
        })
    }

    /// From now on pages are of this node.
    pub(crate) fn serve(&self, node: usize) {
        self.node.store(node, SeqCst);
    }

    /// From now on this many pages may still go out.
    pub(crate) fn allow(&self, pages: usize) {
        self.allowance.store(pages, SeqCst);
    }

    /// How many pages came back through the trait.
    pub(crate) fn released(&self) -> u64 {
        self.released.load(SeqCst)
    }

    /// Free frames of both nodes.
    pub(crate) fn free(&self) -> [usize; 2] {
        [self.zones[0].free_frames(), self.zones[1].free_frames()]
    }
}

impl MemoryProvider for Bank {
    type Kind = Page;

    fn init(&self, params: &PagePoolParams) -> Result<u32, Refused> {
        Ok((PAGE_SIZE as u32) << params.order)
    }

    fn alloc(&self, out: &mut Refill<'_, Page>) {
        let zone = &self.zones[self.node.load(SeqCst)];
        // As Linux: so many pages are tried, and what cannot be mapped is passed over.
        for _ in 0..out.wanted() {
            let allowed = self.allowance.load(SeqCst);
            if allowed == 0 {
                return;
            }
            let Some(page) = zone.alloc(out.order()) else { return };
            if out.push(page).is_ok() {
                self.allowance.store(allowed - 1, SeqCst);
            }
        }
    }

    fn release(&self, page: FreePage) {
        self.released.fetch_add(1, SeqCst);
        drop(page);
    }

    fn is_page_allocator(&self) -> bool {
        true
    }
}

/// A pool's counters, and how much it has: from its provider, and of that in cache and ring.
#[track_caller]
pub(crate) fn expect<K: PoolKind>(pool: &PagePool<K>, stats: Stats, inflight: usize, idle: usize) {
    assert_eq!(pool.stats(), stats);
    assert_eq!((pool.inflight(), pool.inflight() - pool.in_use()), (inflight, idle), "inflight, idle");
}
