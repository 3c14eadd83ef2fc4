//! allowed: there is no address but the one that the memory has.

use netmem::{DmaAddr, Frag, Page, PagePool};

pub struct RxBuffer {
    pub page: Frag<Page>,
    pub page_dma: DmaAddr,
    pub dma: DmaAddr,
}

fn alloc(pool: &mut PagePool<Page>) -> Option<RxBuffer> {
    let page = pool.alloc_frag(2048)?;
    let page_dma = page.dma_addr();
    Some(RxBuffer { page, page_dma, dma: page_dma })
}

fn main() {}
