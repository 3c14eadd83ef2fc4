//! [`Coherent`]: a device that sees memory as the CPU does.

use super::address_space::{AddressSpace, Addresses, device};

/// No physical address of x86-64 has more bits.
const PHYSICAL_BITS: u32 = 52;

/// A device whose addresses are physical addresses, in a machine that keeps CPU and device coherent. Needs no sync.
///
/// ```
/// use netmem_sim::dma::{Coherent, DmaBus};
/// use netmem::{dma::{DmaDevice, TxMap}, mm::{Zone, page_to_pfn}};
/// use std::sync::Arc;
///
/// let (zone, device) = (Zone::new(1)?, Arc::new(Coherent::new()));
/// let page = zone.alloc(0).expect("one page is free");
/// let mut map = TxMap::new(device.clone().driver_side());
/// let slice = map.map(page.page(), page.bytes())?;
/// assert_eq!(slice.addr().as_raw(), page_to_pfn(page.page()) << 12);
/// assert!(!device.needs_sync());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Coherent {
    space: AddressSpace,
}

impl Coherent {
    /// A device that has mapped nothing. Peer memory will lie above all physical addresses.
    pub fn new() -> Self {
        Coherent { space: AddressSpace::new(Addresses::Identity, 1 << PHYSICAL_BITS) }
    }
}

impl Default for Coherent {
    fn default() -> Self {
        Self::new()
    }
}

device!(Coherent, needs_sync: false, sync: { let _ = this; false }, map: |this, page, direction| this.space.map(page, direction));
