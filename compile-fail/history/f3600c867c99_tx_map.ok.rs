//! allowed: a frag without a page is not mapped.

use netmem::dma::{DmaDevice, DmaDirection};
use netmem::skb::SkbFrag;
use netmem::{DmaAddr, Page};

fn map(device: &dyn DmaDevice, frag: &SkbFrag) -> Option<DmaAddr> {
    let page: &Page = frag.page()?;
    device.map(page, DmaDirection::ToDevice)
}

fn main() {}
