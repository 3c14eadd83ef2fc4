//! allowed: dropping is allowed anywhere, and so is looking.

use netmem::Netmem;
use netmem::netdev::Napi;

fn timer(napi: &Napi, memory: Netmem) -> Option<u64> {
    let pool = napi.memory(0)?.payload();
    drop(memory);
    Some(pool.stats().recycle_ring)
}

fn main() {}
