//! forbids: P3
//! expect: E0277 "does not declare that it receives into unreadable memory (rule P3)"
//! lifted by: counterfactual
//!
//! The same at the start: a driver that was never converted is given queues of whatever memory.

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
    start(drivers.0, queues)
}

fn main() {}
