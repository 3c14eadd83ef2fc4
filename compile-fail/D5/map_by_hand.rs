//! forbids: D5
//! expect: E0133 "call to unsafe function `netmem::dma::DmaDevice::map` is unsafe and requires unsafe block"
//! lifted by: nothing (unsafe)
//!
//! A page is mapped by hand, and freed while the device has its address: the device reads, or writes, where it was.

use netmem::dma::{DmaDirection, TxMap};
use netmem::mm::FreePage;

fn map(packet: &mut TxMap, page: &FreePage, direction: DmaDirection) -> bool {
    let (device, empty) = (packet.device().clone(), packet.is_empty());
    empty && direction.device_reads() && device.needs_sync() && device.map(page.page(), direction).is_some()
}

fn main() {}
