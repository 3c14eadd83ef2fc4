//! forbids: P3
//! expect: E0277 "the trait bound `&RxQueueConfig<netmem::Page>: From<&RxQueueConfig>` is not satisfied"
//! lifted by: counterfactual
//!
//! A wrapper says that it receives into unreadable memory, and passes what it is told on to a driver that never said so. That one
//! would make a pool of device memory, and read what it received.

use netmem::driver::netmem::Driver;
use netmem::driver::ReadableOnly as Old;
use netmem::netdev::{QueueMgmt, RxQueueConfig};
use netmem::nic::Nic;

fn queue_mem_alloc(new: &mut Driver<Nic>, old: &mut Driver<Old<Nic>>, config: &RxQueueConfig) -> bool {
    new.poll(0, Some) == 0 && old.poll(0, Some) == 0 && old.queue_mem_alloc(1, config.into()).is_ok()
}

fn main() {}
