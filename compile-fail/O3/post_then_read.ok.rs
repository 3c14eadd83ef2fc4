//! allowed: one that was not taken comes back, and may be read.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;
use netmem::{Frag, Page};

fn post(ring: &mut RxRing<impl DmaQueue, Page>, payload: Frag<Page>) -> u8 {
    let Some(payload) = ring.post(payload, None).err().map(|refused| refused.back.payload) else { return 0 };
    payload.bytes()[0]
}

fn main() {}
