//! forbids: O6
//! expect: E0596 "cannot borrow data in an `Arc` as mutable"
//! lifted by: nothing (a borrow)
//! history: 0646dc31ca88, row 19
//!
//! "skbuff: Fix a race between coalescing and releasing SKBs"
//!
//! Frags are moved out of an skb that somebody else has too, and is releasing at this moment. Here a packet that is
//! shared is an `Arc`, and gives nothing away.

use netmem::skb::{Skb, SkbFrag};
use std::sync::Arc;

fn coalesce(to: &mut Skb, from: &mut Arc<Skb>) -> Option<()> {
    for frag in from.take_frags() {
        if let SkbFrag::Pool(frag) = frag {
            to.add_rx_frag(frag, 2048).ok()?;
        }
    }
    Some(())
}

fn main() {}
