//! What the attacks need: memory, a device that faults on mistakes, and an account of both.

use netmem::mm::PAGE_SIZE;
use netmem::page_pool::{Chunk, PagePoolParams, PoolHooks};
use netmem::provider::DmabufProvider;
use netmem::{NetIov, Page, PagePool};
use netmem_sim::dma::Iommu;
use netmem_sim::kit::{Account, Rig, Vram};
use std::any::Any;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

/// Frames of a host, and as many net_iovs of its device memory.
pub(crate) const FRAMES: usize = 256;

/// Memory of a host and a device. Nothing of it may be out at the end.
pub(crate) struct Host(Rig);

impl Deref for Host {
    type Target = Rig;
    fn deref(&self) -> &Rig {
        &self.0
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        Host(Rig::new(Iommu::new(), FRAMES))
    }

    pub(crate) fn params(&self) -> PagePoolParams {
        PagePoolParams { pool_size: 16, ..self.0.params() }
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
        assert_eq!(self.account(), Account { frames, mapped: mappings, ..Account::default() });
        if frames != 0 {
            keep(self.0.zone);
        }
        if mappings != 0 {
            keep(self.0.bus);
        }
    }
}

/// What has leaked by design stays reachable from here, so that a leak checker reports what leaks beside it.
static KEPT: Mutex<Vec<Box<dyn Any + Send>>> = Mutex::new(Vec::new());

pub(crate) fn keep(leaked: impl Any + Send) {
    KEPT.lock().unwrap().push(Box::new(leaked));
}
