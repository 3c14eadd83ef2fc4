//! [`PageProvider`]: the page allocator.

use crate::alloc::Arc;
use crate::memory::Page;
use crate::mm::{FreePage, PAGE_SIZE, Zone};
use crate::page_pool::{MemoryProvider, PagePoolParams, ProviderError, Refill, check_order};
use core::fmt;

/// Pages of a [`Zone`], of the order that the pool asks for: what a pool gets if nothing else is bound.
///
/// Pools may share one.
#[derive(Debug)]
pub struct PageProvider {
    zone: Zone,
}

impl PageProvider {
    /// A provider of the zone's pages.
    pub fn new(zone: Zone) -> Arc<Self> {
        Arc::new(PageProvider { zone })
    }

    /// Where the pages come from.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }
}

impl MemoryProvider for PageProvider {
    type Kind = Page;

    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
        check_order(params.order)?;
        let has = (PAGE_SIZE as u32) << params.order;
        // As in Linux: the page allocator gives what the order says, and a wish at bind time is for others.
        if params.rx_page_size != 0 && params.rx_page_size != has {
            return Err(ProviderError::PieceSize { asked: params.rx_page_size, has });
        }
        Ok(has)
    }

    fn alloc(&self, out: &mut Refill<'_, Page>) {
        // As many are tried as are wanted: one that cannot be mapped goes back where it came from, and does not end it.
        for _ in 0..out.wanted() {
            let Some(page) = self.zone.alloc(out.order()) else { return };
            drop(out.push(page));
        }
    }

    fn release(&self, page: FreePage) {
        drop(page);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "page allocator, {} of {} frames free", self.zone.free_frames(), self.zone.frames())
    }

    fn is_page_allocator(&self) -> bool {
        true
    }
}
