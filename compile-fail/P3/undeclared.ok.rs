//! allowed: the driver of a device that declares it

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
    new.is_present() && receive_into(new, memory) && old.is_present()
}

fn main() {}
