//! allowed: asking whether one is alone, and taking, is one step: it is a run-time question that cannot be left out.

use netmem::skb::{Skb, SkbFrag};
use std::sync::Arc;

fn coalesce(to: &mut Skb, from: &mut Arc<Skb>) -> Option<()> {
    for frag in Arc::get_mut(from)?.take_frags() {
        if let SkbFrag::Pool(frag) = frag {
            to.add_rx_frag(frag, 2048).ok()?;
        }
    }
    Some(())
}

fn main() {}
