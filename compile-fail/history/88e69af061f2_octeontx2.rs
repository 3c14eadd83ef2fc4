//! forbids: N1
//! expect: E0596 "cannot borrow data in a `&` reference as mutable"
//! lifted by: nothing (a borrow)
//! history: 88e69af061f2, row 22
//!
//! "octeontx2-pf: Fix page pool cache index corruption."
//!
//! The ring is refilled by a delayed work item, which allocates from the pool's lockless cache while the poll recycles
//! into it on another CPU. A work item may look at the pools of a NAPI, and no more.

use netmem::dma::DmaQueue;
use netmem::netdev::{self, RxRing};

fn refill(napi: &netdev::Napi, ring: &mut RxRing<impl DmaQueue>) -> Option<()> {
    let pool = napi.memory(0)?.payload_mut();
    ring.post(pool.alloc_frag(2048)?, None).ok()
}

fn main() {}
