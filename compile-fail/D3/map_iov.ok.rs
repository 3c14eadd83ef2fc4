//! allowed: pages are mapped.

use netmem::dma::TxMap;

fn map(packet: &mut TxMap, memory: &netmem::Page) -> bool {
    packet.map(memory.into(), &[]).is_ok()
}

fn main() {}
