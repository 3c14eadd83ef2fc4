//! allowed: a driver that says so itself

use netmem::driver::netmem::Driver;
use netmem::driver::ReadableOnly as Old;
use netmem::netdev::{QueueMgmt, RxQueueConfig};
use netmem::nic::Nic;

fn queue_mem_alloc(new: &mut Driver<Nic>, old: &mut Driver<Old<Nic>>, config: &RxQueueConfig) -> bool {
    new.poll(0, Some) == 0 && old.poll(0, Some) == 0 && new.queue_mem_alloc(1, config.into()).is_ok()
}

fn main() {}
