//! forbids: O3
//! expect: E0505 "cannot move out of `payload` because it is borrowed"
//! lifted by: nothing (a borrow)
//!
//! A slice of the buffer is kept while the device gets it.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;
use netmem::{Frag, Page};

fn post(ring: &mut RxRing<impl DmaQueue, Page>, payload: Frag<Page>) -> usize {
    let kept = payload.bytes();
    let _ = ring.post(payload, None);
    kept.len()
}

fn main() {}
