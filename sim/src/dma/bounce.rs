//! [`Bounce`]: a device that never touches the page itself.

use super::address_space::{AddressSpace, Addresses, device};

/// A device that reads and writes buffers of its own (swiotlb): CPU and device see different bytes until a sync copies
/// them. A sync that is missing, or too short, shows as old bytes.
///
/// It keeps the promise of [`DmaDevice`](super::DmaDevice) by construction, whatever the hardware does: only a sync,
/// which the CPU asks for, writes the page.
pub struct Bounce {
    space: AddressSpace,
    syncs: bool,
}

impl Bounce {
    /// A device that has mapped nothing.
    pub fn new() -> Self {
        Bounce { space: AddressSpace::new(Addresses::Fresh, 1 << 20), syncs: true }
    }

    /// A device whose syncs do nothing: what a driver without them would see. Everything received through it is wrong,
    /// which shows that the syncs are needed and are what makes it right.
    pub fn without_sync() -> Self {
        Bounce { syncs: false, ..Self::new() }
    }
}

impl Default for Bounce {
    fn default() -> Self {
        Self::new()
    }
}

device!(Bounce, needs_sync: true, sync: this.syncs, map: |this, page, direction| this.space.map_bounced(page, direction));
