//! allowed: each frag is asked, and the packet comes back when one cannot be read.

use netmem::skb::{ReadableSkb, Skb};

fn xmit(skb: Skb) -> Option<ReadableSkb> {
    skb.into_readable().ok()
}

fn main() {}
