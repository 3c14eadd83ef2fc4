//! forbids: P3
//! expect: E0277 "does not declare that it receives into unreadable memory (rule P3)"
//! lifted by: counterfactual
//!
//! Device memory is bound to a driver that was never converted. It would read, or copy, what it received.

use netmem::driver::netmem::Driver;
use netmem::driver::ReadableOnly as Old;
use netmem::netdev::{BindOptions, QueueMgmt, UnreadableRx, bind};
use netmem::nic::Nic;
use netmem::page_pool::AnyProvider;

fn receive_into<D: QueueMgmt<Rx: UnreadableRx>>(driver: &mut D, memory: AnyProvider) -> bool {
    bind(driver, 1, memory, BindOptions::default()).is_ok()
}

fn start(old: &mut Driver<Old<Nic>>, new: &mut Driver<Nic>, memory: AnyProvider) -> bool {
    new.poll(0, Some) == 0 && receive_into(old, memory) && old.poll(0, Some) == 0
}

fn main() {}
