//! forbids: D5
//! expect: E0616 "field `slots` of struct `RxRing` is private"
//! lifted by: nothing (privacy)
//!
//! A buffer is taken back from a ring that runs. The device still has it.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;

fn steal(ring: &RxRing<impl DmaQueue>) -> usize {
    ring.slots.len()
}

fn main() {}
