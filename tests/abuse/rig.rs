//! What the attacks need: memory, a device that faults on mistakes, and an account of both.

use netmem::dma::{DmaDevice, DmaMapping, PeerError, PeerMemory};
use netmem::mm::{PAGE_SIZE, Zone};
use netmem::page_pool::{Chunk, PagePoolParams, PoolHooks};
use netmem::provider::{DmabufProvider, PageProvider};
use netmem::{FreeIov, NetIov, NetIovArea, NetIovType, Page, PagePool};
use netmem_sim::dma::{DmaBus, Iommu};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

/// Frames of a host, and as many net_iovs of its device memory.
pub(crate) const FRAMES: usize = 256;

/// Memory of a host and a device. Nothing of it may be out at the end.
pub(crate) struct Host {
    pub(crate) zone: Zone,
    pub(crate) bus: Arc<Iommu>,
}

impl Host {
    pub(crate) fn new() -> Self {
        Host { zone: Zone::new(FRAMES).unwrap(), bus: Arc::new(Iommu::new()) }
    }

    pub(crate) fn device(&self) -> Arc<dyn DmaDevice> {
        self.bus.clone().driver_side()
    }

    pub(crate) fn pages(&self) -> Arc<PageProvider> {
        PageProvider::new(self.zone.clone())
    }

    pub(crate) fn params(&self) -> PagePoolParams {
        PagePoolParams { pool_size: 16, ..PagePoolParams::for_device(self.device(), PAGE_SIZE as u32) }
    }

    pub(crate) fn hooked(&self, hooks: Arc<dyn PoolHooks>) -> PagePoolParams {
        PagePoolParams { hooks: Some(hooks), ..self.params() }
    }

    pub(crate) fn pool(&self) -> PagePool<Page> {
        PagePool::<Page>::new(self.params(), self.pages()).unwrap()
    }

    pub(crate) fn dmabuf(&self, niovs: usize) -> Arc<DmabufProvider> {
        let len = niovs * PAGE_SIZE;
        DmabufProvider::bind(self.device(), Arc::new(Vram(len)), &[Chunk { offset: 0, len }], PAGE_SIZE).unwrap()
    }

    pub(crate) fn iov_pool(&self, provider: &Arc<DmabufProvider>) -> PagePool<NetIov> {
        PagePool::<NetIov>::new(self.params(), provider.clone()).unwrap()
    }

    /// All memory is free, and nothing is mapped.
    #[track_caller]
    pub(crate) fn all_back(self) {
        self.back_but(0, 0);
    }

    /// So many frames are lost, so many mappings are left, and no DMA went wrong.
    #[track_caller]
    pub(crate) fn back_but(self, frames: usize, mappings: u64) {
        let stats = self.bus.stats();
        assert_eq!((self.zone.free_frames(), stats.mapped(), stats.faults), (FRAMES - frames, mappings, 0));
        if frames != 0 {
            keep(self.zone);
        }
        if mappings != 0 {
            keep(self.bus);
        }
    }
}

/// Net_iovs that nobody provides.
pub(crate) fn loose(device: Arc<dyn DmaDevice>, memory: Arc<dyn PeerMemory>) -> Vec<FreeIov> {
    let len = memory.len();
    let mapping = DmaMapping::new(device, memory, 0, len).unwrap();
    NetIovArea::carve(mapping, PAGE_SIZE, NetIovType::DmaBuf, 0).unwrap()
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
    fn read(&self, _offset: usize, to: &mut [u8]) -> Result<(), PeerError> {
        to.fill(7);
        Ok(())
    }
}

/// What has leaked by design stays reachable from here, so that a leak checker reports what leaks beside it.
static KEPT: Mutex<Vec<Box<dyn Any + Send>>> = Mutex::new(Vec::new());

pub(crate) fn keep(leaked: impl Any + Send) {
    KEPT.lock().unwrap().push(Box::new(leaked));
}

/// Runs what must panic, and gives its message.
#[track_caller]
pub(crate) fn panics<R>(f: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it should have panicked"),
        Err(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or_default().into(),
        },
    }
}
