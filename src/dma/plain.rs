//! A device for unit tests of this crate: those that make mistakes visible are in a crate that depends on this one.

use super::{DeviceId, DmaDevice, DmaDirection, MapError, PeerMemory};
use crate::alloc::Arc;
use crate::memory::{DmaAddr, Page};
use crate::mm::{PAGE_SHIFT, page_to_pfn};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A device that is coherent, and never does any DMA. A page is where it is; a peer's memory has an address of its own.
pub(crate) struct Plain {
    id: DeviceId,
    next: AtomicUsize,
}

impl Plain {
    pub(crate) fn new() -> Self {
        Plain { id: DeviceId::new(), next: AtomicUsize::new(1 << 52) }
    }
}

// SAFETY: no address reaches anything, because the device does no DMA. Those of peers do not repeat.
unsafe impl DmaDevice for Plain {
    fn id(&self) -> DeviceId {
        self.id
    }
    unsafe fn map(&self, page: &Page, _: DmaDirection) -> Option<DmaAddr> {
        // SAFETY: the address is that of the page, for this device.
        Some(unsafe { DmaAddr::from_raw(page_to_pfn(page) << PAGE_SHIFT) })
    }
    unsafe fn unmap(&self, _: DmaAddr) {}
    fn map_peer(&self, _: Arc<dyn PeerMemory>, _: usize, len: usize, _: DmaDirection) -> Result<DmaAddr, MapError> {
        // Aligned for net_iovs of up to 2 MiB.
        let addr = self.next.fetch_add(len.next_multiple_of(2 << 20), Relaxed);
        // SAFETY: the address is new, and stands for the peer's memory.
        Ok(unsafe { DmaAddr::from_raw(addr) })
    }
    unsafe fn unmap_peer(&self, _: DmaAddr) {}
    fn needs_sync(&self) -> bool {
        false
    }
    unsafe fn sync_for_cpu(&self, _: DmaAddr, _: usize, _: usize) {}
    unsafe fn sync_for_device(&self, _: DmaAddr, _: usize, _: usize) {}
    unsafe fn sync_bytes_for_device(&self, _: DmaAddr, _: usize, _: &[u8]) {}
}
