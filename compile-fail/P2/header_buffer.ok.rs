//! allowed: headers go to host memory.

use netmem::Frag;
use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;

fn post(ring: &mut RxRing<impl DmaQueue>, payload: Frag, header: Frag<netmem::Page>) -> bool {
    ring.post(payload, Some(header.into())).is_ok()
}

fn main() {}
