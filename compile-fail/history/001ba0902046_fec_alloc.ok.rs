//! allowed: the ring stays short of a buffer.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;
use netmem::{Frag, Page, PagePool};

fn refill(ring: &mut RxRing<impl DmaQueue, Page>, pool: &mut PagePool<Page>) -> Option<()> {
    let page: Frag<Page> = pool.alloc_frag(2048)?;
    ring.post(page, None).ok()
}

fn main() {}
