//! forbids: D3
//! expect: E0277 "the trait bound `&netmem::Page: From<&netmem::NetIov>` is not satisfied"
//! lifted by: counterfactual
//!
//! dma_map_page() on device memory. Its exporter has mapped it for the device as a whole; it has an address already.

use netmem::DmaAddr;
use netmem::dma::{DmaDevice, DmaDirection};

fn map(device: &dyn DmaDevice, memory: &netmem::NetIov) -> Option<DmaAddr> {
    device.map(memory.into(), DmaDirection::FromDevice)
}

fn main() {}
