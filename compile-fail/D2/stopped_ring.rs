//! forbids: D2
//! expect: E0277 "the trait bound `Frag<netmem::Page>: From<Received<netmem::Page>>` is not satisfied"
//! lifted by: counterfactual
//!
//! A ring is stopped, and a buffer of it is read. The device may have written it, and nobody has synced it.

use netmem::netdev::RxRing;
use netmem::nic::NicQueue;
use netmem::{Frag, Page, PagePool};

fn first(ring: RxRing<NicQueue, Page>, pool: &PagePool<Page>) -> Option<Frag<Page>> {
    let (buffer, _) = ring.stop().next()?;
    let frag: Frag<Page> = buffer.into();
    (pool.inflight() != 0).then_some(frag)
}

fn main() {}
