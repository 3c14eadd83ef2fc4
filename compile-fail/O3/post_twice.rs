//! forbids: O3
//! expect: E0382 "use of moved value: `payload`"
//! lifted by: nothing (a move)
//!
//! One buffer in two descriptors: the device writes two packets over each other.

use netmem::Frag;
use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;

fn post(rings: &mut [RxRing<impl DmaQueue>; 2], payload: Frag) {
    let _ = rings[0].post(payload, None);
    let _ = rings[1].post(payload, None);
}

fn main() {}
