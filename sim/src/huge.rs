//! [`HugeProvider`]: pages out of huge ones.

use crate::sync::Lock;
use netmem::memory::Page;
use netmem::mm::{FreePage, PAGE_SIZE, Zone, compound_order, page_to_pfn};
use netmem::page_pool::{MemoryProvider, PagePoolParams, ProviderError, Refill};
use std::fmt;
use std::sync::Arc;
use std::vec::Vec;

/// log2 of how many pages a huge page has: 512, 2 MiB.
pub const HUGE_ORDER: u32 = 9;

/// Pages of the order that a pool asks for, cut out of blocks of 2 MiB, so that a pool's memory lies close together and
/// needs few entries of an IOMMU's or the CPU's tables.
///
/// When the zone has no such block it gives single ones ([`stats`](Self::stats) says how many of each). A block is kept
/// until all of its pieces are home, and then goes back to the zone whole; a piece that mm holds when its pool gives it
/// up never comes home, and its block stays. Pools may share a provider, of different orders too.
///
/// ```
/// use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, Page};
/// use netmem_sim::HugeProvider;
///
/// let zone = Zone::new(1024)?;
/// let provider = HugeProvider::new(zone.clone());
/// let mut pool = PagePool::<Page>::new(PagePoolParams::default(), provider.clone())?;
/// let page = pool.alloc().expect("two huge pages are free");
/// assert_eq!((provider.stats().huge, zone.free_frames()), (1, 512));
/// drop((pool, page));
/// assert_eq!((provider.stats().blocks, zone.free_frames()), (0, 1024));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct HugeProvider {
    zone: Zone,
    state: Lock<State>,
}

/// What a [`HugeProvider`] has handed out, since it was made, and has now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HugeStats {
    /// Blocks of 2 MiB taken from the zone.
    pub huge: u64,
    /// Blocks given back whole.
    pub returned: u64,
    /// Pieces taken singly, because there was no block.
    pub single: u64,
    /// Blocks that it has now.
    pub blocks: usize,
    /// Pieces of them that are not in a pool.
    pub home: usize,
}

struct State {
    /// Sorted by frame number.
    blocks: Vec<Block>,
    stats: HugeStats,
}

/// A block of 2 MiB that has been cut up.
struct Block {
    first_pfn: usize,
    order: u32,
    /// The pieces that are not in a pool. It has room for all of them.
    home: Vec<FreePage>,
}

impl Block {
    fn pieces(&self) -> usize {
        1 << (HUGE_ORDER - self.order)
    }
}

impl State {
    /// A piece of a block that is cut already.
    fn take(&mut self, order: u32) -> Option<FreePage> {
        let block = self.blocks.iter_mut().rev().find(|block| block.order == order && !block.home.is_empty())?;
        block.home.pop()
    }
}

impl HugeProvider {
    /// A provider that takes its blocks from `zone`.
    pub fn new(zone: Zone) -> Arc<Self> {
        Arc::new(HugeProvider { zone, state: Lock::new(State { blocks: Vec::new(), stats: HugeStats::default() }) })
    }

    /// Where the memory comes from.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// How many blocks and single pieces there were and are.
    pub fn stats(&self) -> HugeStats {
        self.state.with(|state| HugeStats {
            blocks: state.blocks.len(),
            home: state.blocks.iter().map(|block| block.home.len()).sum(),
            ..state.stats
        })
    }

    /// Takes a block from the zone and cuts it. False when there is none, or no memory to note it.
    fn cut(&self, order: u32) -> bool {
        let Some(block) = self.zone.alloc(HUGE_ORDER) else { return false };
        let first_pfn = page_to_pfn(block.page());
        let mut home = Vec::new();
        if home.try_reserve_exact(1 << (HUGE_ORDER - order)).is_err() {
            return false;
        }
        // Nobody else can have a reference to a block that was just allocated, unless he guesses addresses; then the
        // block goes back to the zone.
        let Ok(pieces) = block.split(order) else { return false };
        home.extend(pieces);
        home.reverse();
        let mut block = Some(Block { first_pfn, order, home });
        self.state.with(|state| {
            if state.blocks.try_reserve(1).is_ok() {
                let at = state.blocks.partition_point(|other| other.first_pfn < first_pfn);
                if let Some(block) = block.take() {
                    state.blocks.insert(at, block);
                    state.stats.huge += 1;
                }
            }
        });
        block.is_none()
    }

    fn take(&self, order: u32) -> Option<FreePage> {
        if let Some(page) = self.state.with(|state| state.take(order)) {
            return Some(page);
        }
        if self.cut(order) {
            // Another pool may have taken all of it meanwhile.
            if let Some(page) = self.state.with(|state| state.take(order)) {
                return Some(page);
            }
        }
        let page = self.zone.alloc(order)?;
        self.state.with(|state| state.stats.single += 1);
        Some(page)
    }
}

impl MemoryProvider for HugeProvider {
    type Kind = Page;

    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
        let order = params.order;
        if order > HUGE_ORDER {
            return Err(ProviderError::Order { order, max: HUGE_ORDER });
        }
        let has = (PAGE_SIZE as u32) << order;
        // A page's size is its pool's order, so there is no other way to ask for it.
        if params.rx_page_size != 0 && params.rx_page_size != has {
            return Err(ProviderError::PieceSize { asked: params.rx_page_size, has });
        }
        Ok(has)
    }

    fn alloc(&self, out: &mut Refill<'_, Page>) {
        while out.wanted() != 0 {
            let Some(page) = self.take(out.order()) else { return };
            if let Err(page) = out.push(page) {
                return self.release(page);
            }
        }
    }

    fn release(&self, page: FreePage) {
        let first_pfn = page_to_pfn(page.page()) >> HUGE_ORDER << HUGE_ORDER;
        let order = compound_order(page.page());
        let mut page = Some(page);
        // What is to be given to the zone is dropped outside the lock.
        let whole = self.state.with(|state| {
            // Not found: a single one. Of another order: mm held a piece that a pool gave up, and made something else of
            // it since.
            let at = state.blocks.binary_search_by_key(&first_pfn, |block| block.first_pfn).ok()?;
            let block = &mut state.blocks[at];
            if block.order != order {
                return None;
            }
            block.home.extend(page.take());
            if block.home.len() < block.pieces() {
                return None;
            }
            state.stats.returned += 1;
            Some(state.blocks.remove(at))
        });
        drop((whole, page));
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HugeStats { huge, returned, single, home, .. } = self.stats();
        write!(
            f,
            "huge pages, {huge} blocks of 2 MiB taken and {returned} returned, {home} pieces home, {single} single pieces"
        )
    }
}

impl fmt::Debug for HugeProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HugeProvider").field("zone", &self.zone).field("stats", &self.stats()).finish()
    }
}
