//! forbids: C4
//! expect: E0277 "the trait bound `DmaAddr: Default` is not satisfied"
//! lifted by: counterfactual
//! history: 5fd77cc6bd9b, row 48
//!
//! "net: libwx: fix the using of Rx buffer DMA"
//!
//! A buffer has two DMA addresses. One is set; the other is what the hardware is told, and is 0.

use netmem::{DmaAddr, Frag, Page, PagePool};

pub struct RxBuffer {
    pub page: Frag<Page>,
    pub page_dma: DmaAddr,
    pub dma: DmaAddr,
}

fn alloc(pool: &mut PagePool<Page>) -> Option<RxBuffer> {
    let page = pool.alloc_frag(2048)?;
    let page_dma = page.dma_addr();
    Some(RxBuffer { page, page_dma, dma: Default::default() })
}

fn main() {}
