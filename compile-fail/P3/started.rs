//! forbids: P3
//! expect: E0277 "does not declare that it receives into unreadable memory (rule P3)"
//! lifted by: counterfactual
//!
//! The same at the start: a driver that was never converted is given queues of whatever memory.

use netmem::driver::netmem::{Driver, QueueConfig};
use netmem::driver::{Hardware, ReadableOnly};
use netmem::netdev::UnreadableRx;
use netmem::nic::Nic;

fn start<H: Hardware<Rx: UnreadableRx>>(hardware: H, queues: Vec<QueueConfig>) -> bool {
    Driver::new(hardware, queues).is_ok()
}

fn load(old: ReadableOnly<Nic>, queues: Vec<QueueConfig>) -> bool {
    start(old, queues)
}

fn main() {}
