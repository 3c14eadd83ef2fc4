//! allowed: the second skb gets a reference of the pool's, and the bytes, which the first has no more.

use netmem::mm::get_page;
use netmem::skb::Skb;
use netmem::{Frag, Page};

fn coalesce(to: &mut Skb, frag: &mut Frag<Page>) -> Option<()> {
    let second: Frag<Page> = frag.split_off(0)?;
    to.add_rx_frag(second, 2048).ok()
}

fn main() {}
