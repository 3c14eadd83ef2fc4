//! forbids: N1
//! expect: E0596 "cannot borrow `*pool` as mutable, as it is behind a `&` reference"
//! lifted by: nothing (a borrow)
//! history: 2b986b9e917b, row 23
//!
//! "bpf, cpumap: Disable page_pool direct xdp_return need larger scope"
//!
//! The thread of another CPU returns the frames of a redirect straight into the cache of the pool, since the flag that
//! forbids it was lifted too early.

use netmem::netdev::Napi;
use netmem::page_pool::Batch;

fn cpu_map_kthread(rx: &Napi, frames: &mut Batch) -> Option<usize> {
    let pool = rx.memory(0)?.payload();
    pool.recycle_bulk(frames);
    Some(pool.in_use())
}

fn main() {}
