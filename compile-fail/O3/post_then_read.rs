//! forbids: O3
//! expect: E0382 "borrow of moved value: `payload`"
//! lifted by: nothing (a move)
//!
//! The buffer is the device's now, which may be writing it.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;
use netmem::{Frag, Page};

fn post(ring: &mut RxRing<impl DmaQueue, Page>, payload: Frag<Page>) -> u8 {
    let _ = ring.post(payload, None);
    payload.bytes()[0]
}

fn main() {}
