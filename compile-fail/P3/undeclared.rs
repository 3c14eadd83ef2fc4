//! forbids: P3
//! expect: E0277 "does not declare that it receives into unreadable memory (rule P3)"
//! lifted by: counterfactual
//!
//! Device memory is bound to a driver that was never converted. It would read, or copy, what it received.

use netmem::netdev::{BindOptions, QueueMgmt, UnreadableRx, bind};
use netmem::page_pool::AnyProvider;
use netmem::{Page, PageOrIov};

fn receive_into<D: QueueMgmt<Rx: UnreadableRx>>(driver: &mut D, memory: AnyProvider) -> bool {
    bind(driver, 1, memory, BindOptions::default()).is_ok()
}

fn start<Old, New>(old: &mut Old, new: &mut New, memory: AnyProvider) -> bool
where
    Old: QueueMgmt<Rx = Page>,
    New: QueueMgmt<Rx = PageOrIov>,
{
    new.is_present() && receive_into(old, memory) && old.is_present()
}

fn main() {}
