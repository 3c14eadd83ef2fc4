//! forbids: D3
//! expect: E0308 "expected `&Page`, found `Option<&Page>`"
//! lifted by: nothing (an Option taken for its content)
//! history: f3600c867c99, row 40
//!
//! "netmem: prevent TX of unreadable skbs"
//!
//! An skb with device memory is redirected to a device for transmit, and the driver maps each frag's page.

use netmem::dma::{DmaDevice, DmaDirection};
use netmem::skb::SkbFrag;
use netmem::{DmaAddr, Page};

fn map(device: &dyn DmaDevice, frag: &SkbFrag) -> Option<DmaAddr> {
    let page: &Page = frag.page();
    device.map(page, DmaDirection::ToDevice)
}

fn main() {}
