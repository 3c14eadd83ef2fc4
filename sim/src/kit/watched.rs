//! A device that a test commands and watches.

use crate::dma::{DmaBus, DmaFault, DmaStats, Iommu};
use netmem::dma::{DeviceId, DmaDevice, DmaDirection, MapError, PeerMemory};
use netmem::{DmaAddr, Page};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether to refuse the mapping with this number, counted from the call that said so.
type Refusal = Box<dyn FnMut(u64) -> bool + Send>;

/// A device behind an [`Iommu`] that refuses to map when it is told to, wants syncs when it is told to, and keeps a log of
/// what it is asked.
///
/// ```
/// use netmem::mm::Zone;
/// use netmem::page_pool::PagePoolParams;
/// use netmem::provider::PageProvider;
/// use netmem::{Page, PagePool};
/// use netmem_sim::kit::Watched;
///
/// let device = Watched::new(true);
/// device.refuse(|number| number >= 3);
/// let params = PagePoolParams::for_device(device.clone(), 4096);
/// let mut pool = PagePool::<Page>::new(params, PageProvider::new(Zone::new(64)?))?;
/// let pages: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
/// assert_eq!((pages.len(), device.take_syncs()), (3, vec![(0, 4096); 3]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Watched {
    inner: Iommu,
    syncs: bool,
    refusal: Mutex<(u64, Refusal)>,
    refused: AtomicU64,
    /// Offset and length of each sync for the device since they were last taken.
    log: Mutex<Vec<(usize, usize)>>,
    gone: AtomicBool,
    late: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watched {
    /// Makes a device that refuses nothing, and that needs syncs or not.
    #[must_use]
    pub fn new(syncs: bool) -> Arc<Self> {
        Arc::new(Watched::refusing(syncs, |_| false))
    }

    /// Makes a device that refuses the mappings for whose number (0 for the first) `refusal` returns true.
    #[must_use]
    pub fn refusing(syncs: bool, refusal: impl FnMut(u64) -> bool + Send + 'static) -> Self {
        Watched {
            inner: Iommu::new(),
            syncs,
            refusal: Mutex::new((0, Box::new(refusal))),
            refused: AtomicU64::new(0),
            log: Mutex::new(Vec::new()),
            gone: AtomicBool::new(false),
            late: AtomicU64::new(0),
        }
    }

    /// Refuses from now on the mappings for whose number (0 for the next) `refusal` returns true.
    pub fn refuse(&self, refusal: impl FnMut(u64) -> bool + Send + 'static) {
        *lock(&self.refusal) = (0, Box::new(refusal));
    }

    /// Returns how many mappings were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(SeqCst)
    }

    /// Unplugs the device: it maps nothing any more, and counts every call as late.
    pub fn unplug(&self) {
        self.gone.store(true, SeqCst);
    }

    /// Returns how many calls came after the device was unplugged.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late.load(SeqCst)
    }

    /// Returns offset and length of each sync for the device since the last call.
    pub fn take_syncs(&self) -> Vec<(usize, usize)> {
        std::mem::take(&mut lock(&self.log))
    }

    fn asked(&self) -> bool {
        let gone = self.gone.load(SeqCst);
        self.late.fetch_add(gone.into(), SeqCst);
        !gone
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

// SAFETY: every address and every access is the inner device's, which keeps the promises; a refusal makes no address.
unsafe impl DmaDevice for Watched {
    fn id(&self) -> DeviceId {
        self.inner.id()
    }

    unsafe fn map(&self, page: &Page, direction: DmaDirection) -> Option<DmaAddr> {
        let mut refusal = lock(&self.refusal);
        let number = refusal.0;
        refusal.0 += 1;
        if !self.asked() || refusal.1(number) {
            self.refused.fetch_add(1, SeqCst);
            return None;
        }
        // SAFETY: the caller promises it.
        unsafe { self.inner.map(page, direction) }
    }

    unsafe fn unmap(&self, addr: DmaAddr) {
        self.asked();
        // SAFETY: the caller promises it.
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
        // SAFETY: the caller promises it.
        unsafe { self.inner.unmap_peer(addr) }
    }

    fn needs_sync(&self) -> bool {
        self.syncs
    }

    unsafe fn sync_for_cpu(&self, addr: DmaAddr, offset: usize, len: usize) {
        self.asked();
        // SAFETY: the caller promises it.
        unsafe { self.inner.sync_for_cpu(addr, offset, len) }
    }

    unsafe fn sync_for_device(&self, addr: DmaAddr, offset: usize, len: usize) {
        self.asked();
        lock(&self.log).push((offset, len));
        // SAFETY: the caller promises it.
        unsafe { self.inner.sync_for_device(addr, offset, len) }
    }

    unsafe fn sync_bytes_for_device(&self, addr: DmaAddr, offset: usize, bytes: &[u8]) {
        // SAFETY: the caller promises it.
        unsafe { self.inner.sync_bytes_for_device(addr, offset, bytes) }
    }
}

// SAFETY: every access is the inner device's, which keeps the promises.
unsafe impl DmaBus for Watched {
    unsafe fn write(&self, addr: usize, bytes: &[u8]) -> Result<(), DmaFault> {
        // SAFETY: the caller promises it.
        unsafe { self.inner.write(addr, bytes) }
    }

    unsafe fn read(&self, addr: usize, bytes: &mut [u8]) -> Result<(), DmaFault> {
        // SAFETY: the caller promises it.
        unsafe { self.inner.read(addr, bytes) }
    }

    fn fault(&self, len: usize) -> DmaFault {
        self.inner.fault(len)
    }

    fn stats(&self) -> DmaStats {
        self.inner.stats()
    }

    fn driver_side(self: Arc<Self>) -> Arc<dyn DmaDevice> {
        self
    }
}
