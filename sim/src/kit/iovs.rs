//! Device memory without a device that has it.

use netmem::dma::{DmaDevice, DmaMapping, PeerError, PeerMemory};
use netmem::mm::PAGE_SIZE;
use netmem::page_pool::{MemoryProvider, PagePoolParams, ProviderError, Refill};
use netmem::{FreeIov, NetIov, NetIovArea, NetIovType};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Memory of a device that nobody looks at: so many bytes, which read as zeros.
///
/// An access that leaves the memory panics, because the device model and the crate promise to check the range before.
#[derive(Clone, Copy, Debug)]
pub struct Vram(
    /// The bytes that it has.
    pub usize,
);

impl Vram {
    #[track_caller]
    fn check(self, offset: usize, len: usize) {
        let end = offset.checked_add(len);
        assert!(end.is_some_and(|end| end <= self.0), "{len} bytes at {offset}, of {}", self.0);
    }
}

impl PeerMemory for Vram {
    fn len(&self) -> usize {
        self.0
    }

    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), PeerError> {
        self.check(offset, bytes.len());
        Ok(())
    }

    fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<(), PeerError> {
        self.check(offset, bytes.len());
        bytes.fill(0);
        Ok(())
    }
}

/// Maps all of `memory` for `device` and cuts it into net_iovs of `size` bytes of a dma-buf. No pool has them, and no
/// provider.
///
/// # Panics
///
/// If the memory cannot be mapped, or cannot be cut like that.
#[must_use]
#[track_caller]
pub fn net_iovs(device: Arc<dyn DmaDevice>, memory: Arc<dyn PeerMemory>, size: usize) -> Vec<FreeIov> {
    let len = memory.len();
    let mapping = DmaMapping::new(device, memory, 0, len).expect("device memory that can be mapped");
    NetIovArea::carve(mapping, size, NetIovType::DmaBuf, 0).expect("device memory that can be cut")
}

/// The plainest provider of device memory: it accepts every pool, and hands out what it has, the last one first.
///
/// ```
/// use netmem::dma::DmaDevice;
/// use netmem::page_pool::PagePoolParams;
/// use netmem::{NetIov, PagePool};
/// use netmem_sim::dma::{Coherent, DmaBus};
/// use netmem_sim::kit::Iovs;
/// use std::sync::Arc;
///
/// let device = Arc::new(Coherent::new()).driver_side();
/// let iovs = Iovs::new(device.clone(), 4);
/// let mut pool = PagePool::<NetIov>::new(PagePoolParams::for_device(device, 4096), iovs.clone())?;
/// assert_eq!(pool.alloc().unwrap().borrow().net_iov().index(), 0);
/// drop(pool);
/// assert_eq!(iovs.free(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Iovs {
    free: Mutex<Vec<FreeIov>>,
    syncs: bool,
}

impl Iovs {
    /// Makes a provider of `count` net_iovs of one page each, mapped for `device`. Its memory is synced.
    ///
    /// # Panics
    ///
    /// If the memory cannot be mapped.
    #[must_use]
    #[track_caller]
    pub fn new(device: Arc<dyn DmaDevice>, count: usize) -> Arc<Self> {
        Self::with(net_iovs(device, Arc::new(Vram(count * PAGE_SIZE)), PAGE_SIZE), true)
    }

    /// Makes the same as [`new`](Self::new), whose memory is not synced: as a dma-buf's.
    ///
    /// # Panics
    ///
    /// If the memory cannot be mapped.
    #[must_use]
    #[track_caller]
    pub fn unsynced(device: Arc<dyn DmaDevice>, count: usize) -> Arc<Self> {
        Self::with(net_iovs(device, Arc::new(Vram(count * PAGE_SIZE)), PAGE_SIZE), false)
    }

    /// Makes a provider of net_iovs of one page each, and says whether pools have to sync them.
    #[must_use]
    pub fn with(free: Vec<FreeIov>, syncs: bool) -> Arc<Self> {
        Arc::new(Iovs { free: Mutex::new(free), syncs })
    }

    /// Returns how many of the net_iovs no pool has.
    #[must_use]
    pub fn free(&self) -> usize {
        self.all().len()
    }

    /// Takes out the net_iovs that no pool has, in the order of their memory.
    #[must_use]
    pub fn take(&self) -> Vec<FreeIov> {
        std::mem::take(&mut self.all())
    }

    fn all(&self) -> MutexGuard<'_, Vec<FreeIov>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryProvider for Iovs {
    type Kind = NetIov;

    fn init(&self, _params: &PagePoolParams) -> Result<u32, ProviderError> {
        Ok(PAGE_SIZE as u32)
    }

    fn alloc(&self, out: &mut Refill<'_, NetIov>) {
        let mut free = self.all();
        while let Some(iov) = free.pop() {
            if let Err(iov) = out.push(iov) {
                return free.push(iov);
            }
        }
    }

    fn release(&self, iov: FreeIov) {
        self.all().push(iov);
    }

    fn wants_sync(&self) -> bool {
        self.syncs
    }
}

#[cfg(test)]
mod tests {
    use super::super::panics;
    use super::Vram;
    use netmem::dma::PeerMemory;

    #[test]
    fn an_access_that_leaves_the_memory_is_noticed() {
        let vram = Vram(8);
        let mut bytes = [1; 8];
        vram.read(0, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 8]);
        assert!(panics(|| vram.write(1, &bytes)).contains("8 bytes at 1, of 8"));
        assert!(panics(|| vram.read(usize::MAX, &mut [0])).contains("of 8"));
    }
}
