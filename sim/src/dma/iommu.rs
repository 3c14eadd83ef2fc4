//! [`Iommu`]: a device behind an IOMMU.

use super::address_space::{AddressSpace, Addresses, device};

/// A device that reaches memory through an IOMMU. Each mapping has a new address. Addresses are handed out upwards, and from the
/// beginning again only where there is no room above, so DMA after unmap or out of range faults and is counted. The device
/// is coherent and needs no sync.
///
/// ```
/// use netmem_sim::dma::{DmaBus, Iommu};
/// use netmem::dma::TxMap;
/// use netmem::mm::Zone;
/// use std::sync::Arc;
///
/// let (zone, device) = (Zone::new(1)?, Arc::new(Iommu::new()));
/// let page = zone.alloc(0).expect("one page is free");
/// let mut map = TxMap::new(device.clone().driver_side());
/// let first = map.map(page.page(), page.bytes())?;
/// let second = map.map(page.page(), page.bytes())?;
/// assert_ne!(first.addr(), second.addr());
/// assert_eq!(device.stats().mapped(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Iommu {
    space: AddressSpace,
}

impl Iommu {
    /// A device that has mapped nothing.
    pub fn new() -> Self {
        Iommu { space: AddressSpace::new(Addresses::Fresh, 1 << 32) }
    }
}

impl Default for Iommu {
    fn default() -> Self {
        Self::new()
    }
}

device!(Iommu, needs_sync: false, sync: { let _ = this; false }, map: |this, page, direction| this.space.map(page, direction));
