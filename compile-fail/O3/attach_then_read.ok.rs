//! allowed: what is attached can be read through the skb.

use netmem::skb::Skb;
use netmem::{Frag, Page};

fn attach(mut skb: Skb, frag: Frag<Page>) -> u32 {
    let _ = skb.add_rx_frag(frag, 2048);
    skb.data_len() as u32
}

fn main() {}
