//! forbids: Rust
//! expect: E0308 "expected `Frag<Page>`, found `Option<Frag<Page>>`"
//! lifted by: nothing (an Option taken for its content)
//! history: 001ba0902046, row 53
//!
//! "net: lan966x: fix page_pool error handling… / net: fec: handle page_pool_dev_alloc_pages error"
//!
//! There was no memory, and the NULL page is posted.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;
use netmem::{Frag, Page, PagePool};

fn refill(ring: &mut RxRing<impl DmaQueue, Page>, pool: &mut PagePool<Page>) -> Option<()> {
    let page: Frag<Page> = pool.alloc_frag(2048);
    ring.post(page, None).ok()
}

fn main() {}
