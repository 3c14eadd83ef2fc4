//! allowed: while it is there, it can be asked.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;

fn remove(ring: RxRing<impl DmaQueue>) -> usize {
    drop(ring.depth());
    ring.posted()
}

fn main() {}
