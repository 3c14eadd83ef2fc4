//! forbids: P2
//! expect: E0277 "the trait bound `Frag<netmem::Page>: From<Frag<netmem::NetIov>>` is not satisfied"
//! lifted by: counterfactual
//!
//! A buffer of device memory is posted for headers.

use netmem::Frag;
use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;

fn post(ring: &mut RxRing<impl DmaQueue>, payload: Frag, header: Frag<netmem::NetIov>) -> bool {
    ring.post(payload, Some(header.into())).is_ok()
}

fn main() {}
