//! forbids: D5
//! expect: E0382 "use of moved value: `ring`"
//! lifted by: nothing (a move)
//! history: 59c3d55a946c, row 8
//!
//! "net: lan966x: fix use-after-free and leak in lan966x_fdma_reload()"
//!
//! A reload frees the pages of the old ring, finds no memory for the new one, and starts the old one again: the device
//! writes to pages that are others' by now.

use netmem::Page;
use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;

/// Stops a ring and frees its pages; says how many it had.
fn free<Q: DmaQueue>(ring: RxRing<Q, Page>) -> usize {
    ring.stop().count()
}

fn reload<Q: DmaQueue>(ring: RxRing<Q, Page>, alloc: impl FnOnce(usize) -> Option<RxRing<Q, Page>>) -> RxRing<Q, Page> {
    let pages = free(ring);
    match alloc(pages) {
        Some(fresh) => fresh,
        None => ring,
    }
}

fn main() {}
