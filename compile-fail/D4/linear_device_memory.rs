//! forbids: D4
//! expect: E0277 "the trait bound `Frag<netmem::Page>: From<Frag<netmem::NetIov>>` is not satisfied"
//! lifted by: counterfactual
//!
//! napi_build_skb() around device memory. The linear part of an skb is readable, always: headers are there.

use netmem::Frag;
use netmem::skb::Skb;

fn build(frag: Frag<netmem::NetIov>) -> Skb {
    Skb::build(frag.into())
}

fn main() {}
