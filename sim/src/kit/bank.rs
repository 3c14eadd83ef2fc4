//! Pages that a test hands out as it likes.

use netmem::Page;
use netmem::mm::{FreePage, PAGE_SIZE, Zone};
use netmem::page_pool::{MemoryProvider, PagePoolParams, ProviderError, Refill};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

/// A provider of the pages of two nodes, which it hands out one node at a time and within an allowance.
///
/// ```
/// use netmem::page_pool::PagePoolParams;
/// use netmem::{Page, PagePool};
/// use netmem_sim::kit::Bank;
///
/// let bank = Bank::new(64);
/// bank.allow(1);
/// let mut pool = PagePool::<Page>::new(PagePoolParams::default(), bank.clone())?;
/// let page = pool.alloc().unwrap();
/// assert!(pool.alloc().is_none());
/// drop((page, pool));
/// assert_eq!((bank.free(), bank.released()), ([64, 64], 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Bank {
    /// The pages of node 0, and those of node 1.
    pub zones: [Zone; 2],
    node: AtomicUsize,
    allowance: AtomicUsize,
    released: AtomicU64,
}

impl Bank {
    /// Makes a bank with `frames` frames on each node. It serves node 0 at first, without a limit.
    ///
    /// # Panics
    ///
    /// If there is no memory for it.
    #[must_use]
    pub fn new(frames: usize) -> Arc<Self> {
        Arc::new(Bank {
            zones: [0, 1].map(|node| Zone::on_node(frames, node).expect("memory of a test")),
            node: AtomicUsize::new(0),
            allowance: AtomicUsize::new(usize::MAX),
            released: AtomicU64::new(0),
        })
    }

    /// Hands out pages of this node from now on, 0 or 1.
    pub fn serve(&self, node: usize) {
        self.node.store(node, SeqCst);
    }

    /// Hands out this many pieces more, and then none.
    pub fn allow(&self, pieces: usize) {
        self.allowance.store(pieces, SeqCst);
    }

    /// Returns how many pieces came back through [`MemoryProvider::release`].
    #[must_use]
    pub fn released(&self) -> u64 {
        self.released.load(SeqCst)
    }

    /// Returns the number of free frames of both nodes.
    #[must_use]
    pub fn free(&self) -> [usize; 2] {
        self.zones.each_ref().map(Zone::free_frames)
    }
}

impl MemoryProvider for Bank {
    type Kind = Page;

    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
        Ok((PAGE_SIZE as u32) << params.order)
    }

    fn alloc(&self, out: &mut Refill<'_, Page>) {
        let zone = &self.zones[self.node.load(SeqCst)];
        // Like Linux: it tries as many pages as are wanted, and passes over those that cannot be mapped.
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
