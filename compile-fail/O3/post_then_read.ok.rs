//! allowed: one that did not fit comes back, and may be read.

use netmem::dma::DmaQueue;
use netmem::netdev::{RingFull, RxRing};
use netmem::{Frag, Page};

type Full = RingFull<Page>;

fn post(ring: &mut RxRing<impl DmaQueue, Page>, payload: Frag<Page>) -> u8 {
    let Err(Full { payload, .. }) = ring.post(payload, None) else { return 0 };
    payload.bytes()[0]
}

fn main() {}
