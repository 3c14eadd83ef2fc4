//! allowed: what is mapped is kept by what maps it.

use netmem::dma::{DmaDirection, TxMap};
use netmem::mm::FreePage;

fn map(packet: &mut TxMap, page: &FreePage, direction: DmaDirection) -> bool {
    let (device, empty) = (packet.device().clone(), packet.is_empty());
    empty && direction.device_reads() && device.needs_sync() && packet.map(page.page(), page.bytes()).is_ok()
}

fn main() {}
