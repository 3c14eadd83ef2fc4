//! forbids: O3
//! expect: E0382 "borrow of moved value: `head`"
//! lifted by: nothing (a move)
//!
//! napi_build_skb() around a buffer that the driver then goes on reading. The stack may have freed it.

use netmem::skb::Skb;
use netmem::{Frag, Page};

fn build(head: Frag<Page>) -> (u8, Skb) {
    let skb = Skb::build(head);
    (head.bytes()[0], skb)
}

fn main() {}
