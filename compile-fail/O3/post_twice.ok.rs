//! allowed: one that was not taken comes back, and may be posted to another queue.

use netmem::Frag;
use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;

fn post(rings: &mut [RxRing<impl DmaQueue>; 2], payload: Frag) {
    let Some(payload) = rings[0].post(payload, None).err().map(|refused| refused.back.payload) else { return };
    let _ = rings[1].post(payload, None);
}

fn main() {}
