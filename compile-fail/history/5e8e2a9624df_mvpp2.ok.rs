//! allowed: refilled first, as the fix does: the packet is built only when a fresh buffer has taken the place of its
//! own.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;
use netmem::skb::Skb;
use netmem::{Frag, Page};

fn rx(
    ring: &mut RxRing<impl DmaQueue, Page>,
    buffer: Frag<Page>,
    fresh: Option<Frag<Page>>,
    deliver: impl FnOnce(Skb),
) {
    let refilled = fresh.is_some_and(|fresh| ring.post(fresh, None).is_ok());
    let false = refilled else { return deliver(Skb::build(buffer)) };
    if !refilled {
        let _ = ring.post(buffer, None);
    }
}

fn main() {}
