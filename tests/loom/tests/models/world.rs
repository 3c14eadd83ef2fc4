//! What every model needs: a world of memory that loom sees, and the account of it at the end.

use crate::dma::{DmaBus, Iommu};
use loom::cell::UnsafeCell;
use loom::thread::{JoinHandle, spawn, yield_now};
use netmem::mm::{FreePage, PAGE_SIZE, Zone, page_to_pfn};
use netmem::page_pool::{Batch, PagePoolParams, ProviderError, Refill};
use netmem::provider::PageProvider;
use netmem::{Frag, Kind, MemoryProvider, Netmem, NetmemRef, Page, PagePool};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

/// Runs a model, and says how many executions it took.
pub(crate) fn check(name: &str, preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    // A model with six pages has more than 1000.
    builder.max_branches = 2_000;
    let start = Instant::now();
    builder.check(move || {
        counter.fetch_add(1, Relaxed);
        model();
    });
    println!("{name}: {} executions in {:.1} s", executions.load(Relaxed), start.elapsed().as_secs_f32());
}

pub(crate) fn join(thread: JoinHandle<()>) {
    thread.join().unwrap();
}

/// What loom is told instead of accesses to plain memory.
pub(crate) struct Cells(pub(crate) [UnsafeCell<()>; 6]);

impl Cells {
    pub(crate) fn new() -> Self {
        Cells(std::array::from_fn(|_| UnsafeCell::new(())))
    }
}

// SAFETY: there is no data in the cells; loom checks who reads and who writes.
unsafe impl Sync for Cells {}

/// The bytes of up to six pieces of memory, as loom sees them.
#[derive(Clone)]
pub(crate) struct Bytes(pub(crate) Arc<Cells>);

impl Bytes {
    pub(crate) fn new() -> Self {
        Bytes(Arc::new(Cells::new()))
    }

    pub(crate) fn of<K: Kind>(&self, memory: NetmemRef<'_, K>) -> &UnsafeCell<()> {
        match memory.backing() {
            // Zones start at a multiple of 1024.
            netmem::Backing::Page(page) => self.page(page),
            netmem::Backing::NetIov(iov) => &self.0.0[iov.index()],
        }
    }

    pub(crate) fn page(&self, page: &Page) -> &UnsafeCell<()> {
        &self.0.0[page_to_pfn(page) % 1024]
    }

    /// A handle uses its memory.
    pub(crate) fn used<K: Kind>(&self, memory: &Netmem<K>) {
        self.of(memory.borrow()).with(|_| ());
    }

    /// A handle uses its memory, and is dropped: the put.
    pub(crate) fn put<K: Kind>(&self, memory: Netmem<K>) {
        self.used(&memory);
        drop(memory);
    }

    /// Handles use their memory, and are put as one batch.
    pub(crate) fn put_batch<K: Kind>(&self, memory: impl IntoIterator<Item = Netmem<K>>) {
        let mut batch = Batch::new();
        for memory in memory {
            self.used(&memory);
            batch.put(memory);
        }
        batch.flush();
    }

    /// A frag uses its bytes, and is dropped. Others use other bytes of the memory.
    pub(crate) fn put_frag<K: Kind>(&self, frag: Frag<K>) {
        self.of(frag.borrow()).with(|_| ());
        drop(frag);
    }

    /// Somebody is alone with the memory: it was allocated, or `into_frag` said so.
    pub(crate) fn alone<K: Kind>(&self, memory: NetmemRef<'_, K>) {
        self.of(memory).with_mut(|_| ());
    }
}

/// Provides the pages of a zone. Memory that comes back is nobody else's, so its bytes are written.
pub(crate) struct Pages {
    pub(crate) pages: Arc<PageProvider>,
    pub(crate) bytes: Bytes,
    /// How many pools were made, and how many freed. Not loom's, as they are only looked at when all is over.
    pub(crate) made: AtomicUsize,
    pub(crate) freed: AtomicUsize,
}

impl MemoryProvider for Pages {
    type Kind = Page;
    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
        self.made.fetch_add(1, Relaxed);
        self.pages.init(params)
    }
    fn alloc(&self, out: &mut Refill<'_, Page>) {
        self.pages.alloc(out);
    }
    fn release(&self, page: FreePage) {
        self.bytes.page(page.page()).with_mut(|_| ());
        self.pages.release(page);
    }
    fn destroy(&self) {
        self.freed.fetch_add(1, Relaxed);
    }
}

/// A zone, a provider and perhaps a device, of one execution.
pub(crate) struct World {
    pub(crate) zone: Zone,
    pub(crate) bytes: Bytes,
    pub(crate) provider: Arc<Pages>,
    pub(crate) device: Option<Arc<Iommu>>,
}

impl World {
    pub(crate) fn new(frames: usize) -> Self {
        let (zone, bytes) = (Zone::new(frames).unwrap(), Bytes::new());
        let provider = Arc::new(Pages {
            pages: PageProvider::new(zone.clone()),
            bytes: bytes.clone(),
            made: AtomicUsize::new(0),
            freed: AtomicUsize::new(0),
        });
        World { zone, bytes, provider, device: None }
    }

    pub(crate) fn with_device(frames: usize) -> Self {
        World { device: Some(Arc::new(Iommu::new())), ..World::new(frames) }
    }

    pub(crate) fn pool(&self, pool_size: u32) -> PagePool<Page> {
        let params = match &self.device {
            Some(device) => PagePoolParams::for_device(device.clone(), PAGE_SIZE as u32),
            None => PagePoolParams::default(),
        };
        self.pool_with(PagePoolParams { pool_size, ..params })
    }

    pub(crate) fn pool_with(&self, params: PagePoolParams) -> PagePool<Page> {
        PagePool::<Page>::new(params, self.provider.clone()).unwrap()
    }

    /// Puts a handle on a thread of its own.
    pub(crate) fn put_on_thread<K: Kind>(&self, memory: Netmem<K>) -> JoinHandle<()> {
        let bytes = self.bytes.clone();
        spawn(move || bytes.put(memory))
    }

    /// Puts handles, as one batch, on a thread of their own.
    pub(crate) fn put_batch_on_thread<const N: usize>(&self, memory: [Netmem<Page>; N]) -> JoinHandle<()> {
        let bytes = self.bytes.clone();
        spawn(move || bytes.put_batch(memory))
    }

    /// The consumer asks so many times, and is alone with what it gets, which is never the same page twice.
    pub(crate) fn allocs(&self, pool: &mut PagePool<Page>, times: usize) -> Vec<Netmem<Page>> {
        let mut got: Vec<Netmem<Page>> = Vec::new();
        for _ in 0..times {
            match pool.alloc() {
                Some(memory) => got.push(memory),
                None => yield_now(),
            }
        }
        for (i, memory) in got.iter_mut().enumerate() {
            self.bytes.alone(memory.borrow());
            assert!(memory.bytes_mut().is_some(), "page {i} that was allocated is somebody else's too");
        }
        for (i, memory) in got.iter().enumerate() {
            assert!(got[..i].iter().all(|other| other.borrow() != memory.borrow()), "page {i} came twice");
        }
        got
    }

    /// What was mapped is unmapped, each once.
    pub(crate) fn nothing_mapped(&self) {
        let stats = self.device.as_ref().unwrap().stats();
        assert_eq!((stats.mapped(), stats.faults), (0, 0), "mappings and faults, at most");
    }

    /// Every page is back, once, and each pool is freed, once: it held the provider.
    pub(crate) fn end(&self) {
        assert_eq!(self.zone.free_frames(), self.zone.frames(), "frames free");
        assert_eq!(Arc::strong_count(&self.provider), 1, "owners of the provider: a pool is not freed");
        self.freed(self.provider.made.load(Relaxed));
    }

    pub(crate) fn freed(&self, pools: usize) {
        assert_eq!(self.provider.freed.load(Relaxed), pools, "pools freed");
    }
}
