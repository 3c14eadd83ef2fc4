//! allowed: one that did not fit comes back, and may be posted to another queue.

use netmem::Frag;
use netmem::dma::DmaQueue;
use netmem::netdev::{RingFull, RxRing};

type Full = RingFull;

fn post(rings: &mut [RxRing<impl DmaQueue>; 2], payload: Frag) {
    let Err(Full { payload, .. }) = rings[0].post(payload, None) else { return };
    let _ = rings[1].post(payload, None);
}

fn main() {}
