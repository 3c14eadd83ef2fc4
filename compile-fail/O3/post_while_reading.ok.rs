//! allowed: a copy may be kept.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;
use netmem::{Frag, Page};

fn post(ring: &mut RxRing<impl DmaQueue, Page>, payload: Frag<Page>) -> usize {
    let kept = payload.bytes().to_vec();
    let _ = ring.post(payload, None);
    kept.len()
}

fn main() {}
