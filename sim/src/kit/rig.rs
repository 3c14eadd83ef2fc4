//! Host memory, a device, and what is missing at the end.

use super::Gpu;
use crate::dma::DmaBus;
use crate::nic::traffic::Traffic;
use crate::nic::{Nic, NicParams};
use netmem::dma::DmaDevice;
use netmem::mm::{PAGE_SIZE, Zone};
use netmem::netdev::RxMemory;
use netmem::page_pool::{AnyProvider, PagePool, PagePoolParams};
use netmem::provider::PageProvider;
use netmem::{Page, PageOrIov};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Memory of a host, a device, and perhaps memory of a GPU. At the end of a test all of it must be back.
///
/// The example of [`kit`](super) shows a whole test.
pub struct Rig {
    /// The memory of the host.
    pub zone: Zone,
    /// The device, as its own hardware sees it.
    pub bus: Arc<dyn DmaBus>,
    gpu: Option<Gpu>,
}

/// What is missing of a [`Rig`], and what went wrong. The default is a rig that is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// How many frames of the host are in use.
    pub frames: usize,
    /// How many net_iovs of the GPU are in use.
    pub niovs: usize,
    /// How many mappings there are, without the one of the GPU's memory.
    pub mapped: u64,
    /// How many faults the device has counted.
    pub faults: u64,
}

impl Rig {
    /// Makes a rig with `frames` frames of host memory, and without a GPU.
    ///
    /// # Panics
    ///
    /// If there is no memory for it.
    #[must_use]
    #[track_caller]
    pub fn new(bus: impl DmaBus + 'static, frames: usize) -> Self {
        Rig { zone: Zone::new(frames).expect("memory of a test"), bus: Arc::new(bus), gpu: None }
    }

    /// Adds a GPU with `niovs` net_iovs of one page each, in one chunk.
    ///
    /// # Panics
    ///
    /// If there is no memory for it.
    #[must_use]
    #[track_caller]
    pub fn with_gpu(mut self, niovs: usize) -> Self {
        self.gpu = Some(Gpu::new(self.device(), niovs));
        self
    }

    /// Returns the GPU.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    #[track_caller]
    pub fn gpu(&self) -> &Gpu {
        self.gpu.as_ref().expect("a rig with a GPU")
    }

    /// Returns the device, as a driver sees it.
    #[must_use]
    pub fn device(&self) -> Arc<dyn DmaDevice> {
        self.bus.clone().driver_side()
    }

    /// Returns parameters of a pool for the device.
    #[must_use]
    pub fn params(&self) -> PagePoolParams {
        PagePoolParams::for_device(self.device(), PAGE_SIZE as u32)
    }

    /// Returns a provider of the host's pages.
    #[must_use]
    pub fn pages(&self) -> Arc<PageProvider> {
        PageProvider::new(self.zone.clone())
    }

    /// Makes a pool of the host's pages.
    ///
    /// # Panics
    ///
    /// If there is no memory for the pool.
    #[must_use]
    #[track_caller]
    pub fn pool(&self) -> PagePool<Page> {
        PagePool::<Page>::new(self.params(), self.pages()).expect("a pool of pages")
    }

    /// Makes a pool of the host's pages that does not say so in its type.
    ///
    /// # Panics
    ///
    /// If there is no memory for the pool.
    #[must_use]
    #[track_caller]
    pub fn open_pool(&self) -> PagePool {
        PagePool::<PageOrIov>::new(self.params(), AnyProvider::from(self.pages())).expect("a pool of pages")
    }

    /// Makes a pool of the GPU's net_iovs that does not say so in its type.
    ///
    /// # Panics
    ///
    /// If there is no GPU, or no memory for the pool.
    #[must_use]
    #[track_caller]
    pub fn gpu_pool(&self) -> PagePool {
        let provider = AnyProvider::from(self.gpu().dmabuf.clone());
        PagePool::<PageOrIov>::new(self.params(), provider).expect("a pool of net_iovs")
    }

    /// Makes memory for a receive queue in host memory: whole frames.
    ///
    /// # Panics
    ///
    /// If there is no memory for the pool.
    #[must_use]
    #[track_caller]
    pub fn whole_frames(&self) -> RxMemory {
        RxMemory::new(self.open_pool(), None)
    }

    /// Makes memory for a receive queue whose device splits headers off: they go to host memory, and payload into the
    /// pool.
    ///
    /// # Panics
    ///
    /// If there is no memory for the pool of headers.
    #[must_use]
    #[track_caller]
    pub fn split_off(&self, payload: PagePool) -> RxMemory {
        RxMemory::new(payload, Some(self.pool()))
    }

    /// Starts a NIC that receives this traffic.
    ///
    /// # Panics
    ///
    /// If the NIC does not start.
    #[must_use]
    #[track_caller]
    pub fn nic(&self, params: NicParams, traffic: Box<dyn Traffic>) -> Nic {
        Nic::start(params, self.bus.clone(), traffic).expect("a NIC that starts")
    }

    /// Returns what is missing.
    #[must_use]
    pub fn account(&self) -> Account {
        let stats = self.bus.stats();
        Account {
            frames: self.zone.frames() - self.zone.free_frames(),
            niovs: self.gpu.as_ref().map_or(0, Gpu::used),
            mapped: stats.mapped() - u64::from(self.gpu.is_some()),
            faults: stats.faults,
        }
    }

    /// Checks that all memory is back and nothing is mapped. The device may have counted faults.
    ///
    /// # Panics
    ///
    /// If it is not so.
    #[track_caller]
    pub fn assert_back(&self) {
        let account = self.account();
        assert_eq!(account, Account { faults: account.faults, ..Account::default() });
    }

    /// Checks that all memory is back, nothing is mapped, and no DMA went wrong; then frees the GPU's memory, and checks
    /// that its mapping ends.
    ///
    /// # Panics
    ///
    /// If it is not so.
    #[track_caller]
    pub fn assert_clean(self) {
        assert_eq!(self.account(), Account::default());
        drop(self.gpu);
        assert_eq!(self.bus.stats().mapped(), 0, "mappings of the GPU's memory");
    }
}

impl fmt::Debug for Rig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rig").field("account", &self.account()).finish_non_exhaustive()
    }
}

/// Asks until there is an answer, and waits in between for what the NIC does.
///
/// ```
/// use netmem_sim::dma::Coherent;
/// use netmem_sim::kit::{Frames, Rig, wait_for};
/// use netmem_sim::nic::NicParams;
///
/// let rig = Rig::new(Coherent::new(), 8);
/// let nic = rig.nic(NicParams::default(), Frames::new([]));
/// wait_for(&nic, || nic.has_ended().then_some(()));
/// ```
///
/// # Panics
///
/// If there is no answer in a minute.
#[track_caller]
pub fn wait_for<T>(nic: &Nic, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "no answer in a minute");
        nic.wait(Duration::from_millis(10));
    }
}

/// Ends a loop that polls when the traffic is over and all of it was received.
///
/// The order of the questions matters: whether the NIC has ended must be known before the poll that finds nothing.
#[derive(Debug, Default)]
pub struct Polling {
    over: bool,
}

impl Polling {
    /// Begins.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns whether the loop ends, after a poll that found `work` to do or not. Waits for a moment where there is
    /// nothing to do now.
    pub fn is_over(&mut self, nic: &Nic, work: bool) -> bool {
        if !work && !nic.has_completions() {
            if self.over {
                return true;
            }
            nic.wait(Duration::from_millis(10));
        }
        self.over = nic.has_ended();
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::panics;
    use super::{Account, Rig};
    use crate::dma::Iommu;

    /// Whatever a test forgets, the rig misses: else every test that ends with it would prove less.
    #[test]
    fn an_account_misses_what_is_in_use() {
        let rig = Rig::new(Iommu::new(), 128).with_gpu(4);
        assert_eq!(rig.account(), Account::default(), "the GPU's own mapping does not count");
        let page = rig.zone.alloc(0).unwrap();
        assert_eq!(rig.account(), Account { frames: 1, ..Account::default() });
        assert!(panics(|| rig.assert_back()).contains("frames: 1"));
        drop(page);
        let mut pool = rig.gpu_pool();
        let iov = pool.alloc().unwrap();
        drop(pool);
        assert_eq!(rig.account(), Account { niovs: 1, ..Account::default() });
        drop(iov);
        let mut pool = rig.pool();
        let page = pool.alloc();
        assert_eq!(rig.account(), Account { frames: 64, mapped: 64, ..Account::default() });
        drop((page, pool));
        rig.bus.fault(1);
        rig.assert_back();
        assert!(panics(|| rig.assert_clean()).contains("faults: 1"));
    }

    #[test]
    fn memory_of_a_gpu_that_is_kept_is_missed() {
        let rig = Rig::new(Iommu::new(), 1).with_gpu(4);
        let dmabuf = rig.gpu().dmabuf.clone();
        assert!(panics(|| rig.assert_clean()).contains("mappings of the GPU's memory"));
        drop(dmabuf);
    }
}
