//! allowed: the driver of a device that declares it

use netmem::netdev::{BindOptions, QueueMgmt, UnreadableRx, bind};
use netmem::page_pool::AnyProvider;
use netmem::{Page, PageOrIov};

fn start<D: QueueMgmt<Rx: UnreadableRx>>(mut driver: D, queues: Vec<AnyProvider>) -> bool {
    let mut queues = queues.into_iter().enumerate();
    queues.all(|(queue, memory)| bind(&mut driver, queue, memory, BindOptions::default()).is_ok())
}

fn load<Old, New>(old: Old, new: New, queues: Vec<AnyProvider>) -> bool
where
    Old: QueueMgmt<Rx = Page>,
    New: QueueMgmt<Rx = PageOrIov>,
{
    let drivers = (old, new);
    start(drivers.1, queues)
}

fn main() {}
