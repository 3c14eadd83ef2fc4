//! allowed: pages are mapped.

use netmem::DmaAddr;
use netmem::dma::{DmaDevice, DmaDirection};

fn map(device: &dyn DmaDevice, memory: &netmem::Page) -> Option<DmaAddr> {
    device.map(memory.into(), DmaDirection::FromDevice)
}

fn main() {}
