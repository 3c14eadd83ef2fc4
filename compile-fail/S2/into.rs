//! forbids: S2
//! expect: E0277 "the trait bound `ReadableSkb: From<Skb>` is not satisfied"
//! lifted by: counterfactual
//!
//! Any packet is declared readable: a driver without netmem TX would map a net_iov as a page, or copy what is not there.

use netmem::skb::{ReadableSkb, Skb};

fn xmit(skb: Skb) -> Option<ReadableSkb> {
    Some(skb.into())
}

fn main() {}
