//! forbids: D3
//! expect: E0277 "the trait bound `&netmem::Page: From<&netmem::NetIov>` is not satisfied"
//! lifted by: counterfactual
//!
//! dma_map_page() on device memory. Its exporter has mapped it for the device as a whole; it has an address already.

use netmem::dma::TxMap;

fn map(packet: &mut TxMap, memory: &netmem::NetIov) -> bool {
    packet.map(memory.into(), &[]).is_ok()
}

fn main() {}
