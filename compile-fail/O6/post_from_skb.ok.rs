//! allowed: a buffer that is the driver's own is posted.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;

fn reuse(ring: &mut RxRing<impl DmaQueue>, frag: netmem::Frag) -> bool {
    ring.post(frag.into(), None).is_ok()
}

fn main() {}
