//! allowed: a driver that says so itself

use netmem::netdev::{QueueMgmt, RxQueueConfig};
use netmem::{Page, PageOrIov};

fn queue_mem_alloc<Old, New>(old: &mut Old, new: &mut New, config: &RxQueueConfig) -> bool
where
    Old: QueueMgmt<Rx = Page>,
    New: QueueMgmt<Rx = PageOrIov>,
{
    old.is_present() && new.is_present() && new.queue_mem_alloc(1, config.into()).is_ok()
}

fn main() {}
