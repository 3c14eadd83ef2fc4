//! allowed: from another CPU they go through the ring, all with one reservation.

use netmem::netdev::Napi;
use netmem::page_pool::Batch;

fn cpu_map_kthread(rx: &Napi, frames: &mut Batch) -> Option<usize> {
    let pool = rx.memory(0)?.payload();
    frames.flush();
    Some(pool.in_use())
}

fn main() {}
