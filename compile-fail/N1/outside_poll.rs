//! forbids: N1
//! expect: E0596 "cannot borrow `*pool` as mutable, as it is behind a `&` reference"
//! lifted by: nothing (a borrow)
//!
//! The pools of a NAPI, used from a timer. Outside a poll one may look at them.

use netmem::Netmem;
use netmem::netdev::Napi;

fn timer(napi: &Napi, memory: Netmem) -> Option<u64> {
    let pool = napi.memory(0)?.payload();
    pool.recycle_direct(memory);
    Some(pool.stats().recycle_ring)
}

fn main() {}
