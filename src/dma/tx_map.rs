//! [`TxMap`]: what one packet has mapped for the device that sends it.

use super::{DmaDevice, DmaDirection, DmaSlice};
use crate::alloc::Arc;
use crate::assert::assert_not_impl_any;
use crate::error::errno::{EINVAL, EMSGSIZE, ENOMEM};
use crate::few::Few;
use crate::memory::{DmaAddr, Page};
use crate::mm::{PageRef, get_page, page_address, page_size};
use core::fmt;

/// How many pieces a packet has at the most: a linear part and the frags of an skb.
pub const MAX_TX_PIECES: usize = 18;

/// Pages that are mapped for a device to read, for as long as this value lives.
///
/// It is the whole of the bookkeeping that a C driver does by hand: an address and a length for each descriptor, of
/// which some came from `dma_map_single`, some from `dma_map_page`, and some from a net_iov that must not be unmapped at
/// all (`netmem_dma_unmap_addr_set` notes 0 for those). Here only a `&Page` can be mapped (rule D3), so a net_iov is
/// never in it; and dropping it unmaps exactly what was mapped, be it after the completion, when the ring is stopped, or
/// half way through a packet that could not be mapped.
///
/// It holds a reference of mm's on each page, so a page is unmapped before it is freed, whatever becomes of the skb.
///
/// ```
/// use netmem_sim::dma::{DmaBus, Iommu};
/// use netmem::{dma::TxMap, mm::Zone};
/// use std::sync::Arc;
///
/// let (zone, device) = (Zone::new(1)?, Arc::new(Iommu::new()));
/// let page = zone.alloc(0).expect("one page is free");
/// let mut map = TxMap::new(device.clone().driver_side());
/// let slice = map.map(page.page(), &page.bytes()[100..164])?;
/// assert_eq!((slice.len(), device.stats().mapped()), (64, 1));
/// drop(map);
/// assert_eq!(device.stats().mapped(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// Each address in `pages` came from `map` of `device` for that page, and has not been unmapped.
pub struct TxMap {
    device: Arc<dyn DmaDevice>,
    pages: Few<(DmaAddr, PageRef), MAX_TX_PIECES>,
}

assert_not_impl_any!(TxMap: Clone, Copy, Default);

/// Why bytes could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TxMapError {
    /// The device has no room.
    #[error("the device has no room to map {len} more bytes: send it again when packets have completed")]
    NoRoom {
        /// Length in bytes.
        len: usize,
    },
    /// The bytes are not the page's.
    #[error("{len} bytes that are not all in the block of the page: give bytes of that very page, less than 4 GiB")]
    OtherPage {
        /// Length in bytes.
        len: usize,
    },
    /// All pieces are used.
    #[error("a packet has at most {MAX_TX_PIECES} pieces: copy it into fewer")]
    Full,
}

impl TxMapError {
    /// Returns ENOMEM, as `dma_mapping_error` does, when the device has no room. Linux does not check the other two;
    /// EINVAL and EMSGSIZE are the nearest.
    pub fn errno(&self) -> i32 {
        match self {
            TxMapError::NoRoom { .. } => ENOMEM,
            TxMapError::OtherPage { .. } => EINVAL,
            TxMapError::Full => EMSGSIZE,
        }
    }
}

impl TxMap {
    /// Nothing, for this device.
    pub fn new(device: Arc<dyn DmaDevice>) -> Self {
        TxMap { device, pages: Few::new() }
    }

    /// The device that they are mapped for.
    pub fn device(&self) -> &Arc<dyn DmaDevice> {
        &self.device
    }

    /// How many pages are mapped.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Maps the block of `page`, shows the device `bytes` of it, and says where the device finds them.
    ///
    /// # Errors
    ///
    /// [`TxMapError`]. What was mapped before stays mapped.
    pub fn map(&mut self, page: &Page, bytes: &[u8]) -> Result<DmaSlice, TxMapError> {
        let len = bytes.len();
        if self.len() == MAX_TX_PIECES {
            return Err(TxMapError::Full);
        }
        let page = get_page(page);
        let offset = bytes.as_ptr().addr().checked_sub(page_address(&page).addr().get());
        let inside = |offset: &usize| offset.checked_add(len).is_some_and(|end| end <= page_size(&page));
        let offset = offset.filter(inside).ok_or(TxMapError::OtherPage { len })?;
        let size = u32::try_from(len).map_err(|_| TxMapError::OtherPage { len })?;
        // SAFETY: `page` is a reference to the block, so it stays allocated and nobody splits it. It goes into this value,
        // which unmaps before it drops the reference.
        let addr = unsafe { self.device.map(&page, DmaDirection::ToDevice) }.ok_or(TxMapError::NoRoom { len })?;
        // INVARIANT: `addr` is this page's, from this device.
        let pushed = self.pages.try_push((addr, page));
        debug_assert!(pushed.is_ok(), "there is room, as was just checked");
        if self.device.needs_sync() {
            // SAFETY: `addr` is mapped. `bytes` lie at `offset` of the block and inside it, as was just checked.
            unsafe { self.device.sync_bytes_for_device(addr, offset, bytes) };
        }
        Ok(DmaSlice::new(addr.add(offset), size))
    }
}

impl Drop for TxMap {
    fn drop(&mut self) {
        for (addr, page) in self.pages.take_all() {
            // SAFETY: by the type's invariant the address is this device's and mapped; it is taken out, so once; the
            // page is allocated, as `page` is a reference to it.
            unsafe { self.device.unmap(addr) };
            drop(page);
        }
    }
}

impl fmt::Debug for TxMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxMap").field("pages", &self.len()).finish()
    }
}
