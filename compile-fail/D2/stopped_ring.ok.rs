//! allowed: synced it may, and has received nothing.

use netmem::dma::DmaQueue;
use netmem::netdev::RxRing;
use netmem::{Frag, Page, PagePool};

fn first<Q: DmaQueue>(ring: RxRing<Q, Page>, pool: &PagePool<Page>) -> Option<Frag<Page>> {
    let (buffer, _) = ring.stop().next()?;
    let frag: Frag<Page> = pool.sync_for_cpu(buffer).ok()?;
    (pool.inflight() != 0).then_some(frag)
}

fn main() {}
