//! allowed: the driver of a device that declares it

use netmem::driver::netmem::Driver;
use netmem::driver::ReadableOnly as Old;
use netmem::netdev::{BindOptions, QueueMgmt, UnreadableRx, bind};
use netmem::nic::Nic;
use netmem::page_pool::AnyProvider;

fn receive_into<D: QueueMgmt<Rx: UnreadableRx>>(driver: &mut D, memory: AnyProvider) -> bool {
    bind(driver, 1, memory, BindOptions::default()).is_ok()
}

fn start(old: &mut Driver<Old<Nic>>, new: &mut Driver<Nic>, memory: AnyProvider) -> bool {
    new.poll(0, Some) == 0 && receive_into(new, memory) && old.poll(0, Some) == 0
}

fn main() {}
