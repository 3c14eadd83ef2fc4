//! [`Iommu`]: a device behind an IOMMU.

use super::address_space::{AddressSpace, Addresses, device};

/// A device that reaches memory through an IOMMU: each mapping has a new address, which is never used again, so that DMA
/// after unmap or out of range faults and is counted. Coherent, so it needs no sync.
///
/// ```
/// use netmem::dma::{DmaBus, DmaDevice, DmaDirection, DmaFault, Iommu};
/// use netmem::mm::Zone;
///
/// let (zone, device) = (Zone::new(1)?, Iommu::new());
/// let page = zone.alloc(0).expect("one page is free");
/// let first = device.map(page.page(), DmaDirection::FromDevice).expect("there is no limit");
/// let second = device.map(page.page(), DmaDirection::FromDevice).expect("there is no limit");
/// assert_ne!(first, second);
/// assert_eq!(device.stats().mapped(), 2);
/// # Ok::<(), netmem::mm::ZoneError>(())
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
