//! allowed: the old ring is only asked how many it has, and goes when the new one is there.

use netmem::Page;
use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;

/// Stops a ring and frees its pages; says how many it had.
fn free<Q: DmaQueue>(ring: RxRing<Q, Page>) -> usize {
    ring.stop().count()
}

fn reload<Q: DmaQueue>(ring: RxRing<Q, Page>, alloc: impl FnOnce(usize) -> Option<RxRing<Q, Page>>) -> RxRing<Q, Page> {
    let pages = ring.posted();
    match alloc(pages) {
        Some(fresh) => fresh,
        None => ring,
    }
}

fn main() {}
