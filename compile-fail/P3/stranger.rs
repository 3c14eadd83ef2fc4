//! forbids: P3
//! expect: E0277 "the trait bound `&RxQueueConfig<netmem::Page>: From<&RxQueueConfig>` is not satisfied"
//! lifted by: counterfactual
//!
//! A wrapper says that it receives into unreadable memory, and passes what it is told on to a driver that never said so. That one
//! would make a pool of device memory, and read what it received.

use netmem::netdev::{QueueMgmt, RxQueueConfig};
use netmem::{Page, PageOrIov};

fn queue_mem_alloc<Old, New>(old: &mut Old, new: &mut New, config: &RxQueueConfig) -> bool
where
    Old: QueueMgmt<Rx = Page>,
    New: QueueMgmt<Rx = PageOrIov>,
{
    old.is_present() && new.is_present() && old.queue_mem_alloc(1, config.into()).is_ok()
}

fn main() {}
