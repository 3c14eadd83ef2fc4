//! allowed: how many it has may be asked.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;

fn steal(ring: &RxRing<impl DmaQueue>) -> usize {
    ring.posted()
}

fn main() {}
