//! allowed: the skb can be asked while the driver has it.

use netmem::skb::Skb;
use netmem::{Frag, Page};

fn build(head: Frag<Page>) -> (u8, Skb) {
    let skb = Skb::build(head);
    (skb.linear()[0], skb)
}

fn main() {}
