//! forbids: D2
//! expect: E0277 "the trait bound `Frag<netmem::Page>: From<Received<netmem::Page>>` is not satisfied"
//! lifted by: counterfactual
//!
//! A ring is stopped, and a buffer of it is read. The device may have written it, and nobody has synced it.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;
use netmem::{Frag, Page, PagePool};

fn first<Q: DmaQueue>(ring: RxRing<Q, Page>, pool: &PagePool<Page>) -> Option<Frag<Page>> {
    let (buffer, _) = ring.stop().next()?;
    let frag: Frag<Page> = buffer.into();
    (pool.inflight() != 0).then_some(frag)
}

fn main() {}
