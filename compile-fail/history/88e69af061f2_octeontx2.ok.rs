//! allowed: refilled in a poll, which has the consumer side.

use netmem::dma::DmaQueue;
use netmem::netdev::{self, RxRing};

fn refill(napi: &mut netdev::Poll<'_>, ring: &mut RxRing<impl DmaQueue>) -> Option<()> {
    let pool = napi.memory(0)?.payload_mut();
    ring.post(pool.alloc_frag(2048)?, None).ok()
}

fn main() {}
