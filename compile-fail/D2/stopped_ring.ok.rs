//! allowed: synced it may, and has received nothing.

use netmem::netdev::RxRing;
use netmem::nic::NicQueue;
use netmem::{Frag, Page, PagePool};

fn first(ring: RxRing<NicQueue, Page>, pool: &PagePool<Page>) -> Option<Frag<Page>> {
    let (buffer, _) = ring.stop().next()?;
    let frag: Frag<Page> = pool.sync_for_cpu(buffer).ok()?;
    (pool.inflight() != 0).then_some(frag)
}

fn main() {}
