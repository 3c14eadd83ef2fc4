//! allowed: the device itself declares it

use netmem::driver::netmem::{Driver, QueueConfig};
use netmem::driver::{Hardware, ReadableOnly};
use netmem::netdev::UnreadableRx;
use netmem::nic::Nic;

fn start<H: Hardware<Rx: UnreadableRx>>(hardware: H, queues: Vec<QueueConfig>) -> bool {
    Driver::new(hardware, queues).is_ok()
}

fn load(old: ReadableOnly<Nic>, queues: Vec<QueueConfig>) -> bool {
    start(old.0, queues)
}

fn main() {}
