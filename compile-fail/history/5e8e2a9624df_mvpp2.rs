//! forbids: O3
//! expect: E0382 "use of moved value: `buffer`"
//! lifted by: nothing (a move)
//! history: 5e8e2a9624df, row 7
//!
//! "net: mvpp2: refill RX buffers before XDP or skb use"
//!
//! The packet is built, then the ring cannot be refilled, and the error path gives the buffer of that very packet back
//! to the hardware, which writes the next one into it.

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
    deliver(Skb::build(buffer));
    if !refilled {
        let _ = ring.post(buffer, None);
    }
}

fn main() {}
