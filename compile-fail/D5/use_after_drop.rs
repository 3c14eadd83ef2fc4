//! forbids: D5
//! expect: E0382 "borrow of moved value: `ring`"
//! lifted by: nothing (a move)
//!
//! Dropping a ring stops its queue. After that there is no ring to ask, or to post to.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;

fn remove(ring: RxRing<impl DmaQueue>) -> usize {
    drop(ring);
    ring.posted()
}

fn main() {}
