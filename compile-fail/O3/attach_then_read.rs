//! forbids: O3
//! expect: E0382 "borrow of moved value: `frag`"
//! lifted by: nothing (a move)
//!
//! skb_add_rx_frag_netmem(), and then the driver peeks at the buffer. The skb may have been freed.

use netmem::skb::Skb;
use netmem::{Frag, Page};

fn attach(mut skb: Skb, frag: Frag<Page>) -> u32 {
    let _ = skb.add_rx_frag(frag, 2048);
    frag.len()
}

fn main() {}
