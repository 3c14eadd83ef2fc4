//! forbids: O6
//! expect: E0277 "the trait bound `Frag: From<SkbFrag>` is not satisfied"
//! lifted by: counterfactual
//!
//! A frag of an skb is posted to the device, page reuse as drivers once did it: the stack may still be reading.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;

fn reuse(ring: &mut RxRing<impl DmaQueue>, frag: netmem::skb::SkbFrag) -> bool {
    ring.post(frag.into(), None).is_ok()
}

fn main() {}
