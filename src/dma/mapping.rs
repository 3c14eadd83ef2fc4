//! [`DmaMapping`]: memory without pages, as a device sees it.

use super::{DeviceId, DmaDevice, DmaDirection};
use crate::alloc::Arc;
use crate::assert::assert_not_impl_any;
use crate::error::errno::{EFAULT, EINVAL, ENOMEM};
use crate::memory::DmaAddr;
use core::fmt;

/// Memory of another device (a GPU's, say), which devices may reach and the CPU does not.
///
/// What a dma-buf exporter offers. The methods are the bus's, not the CPU's: a model of hardware calls them when it
/// does DMA.
pub trait PeerMemory: Send + Sync {
    /// How many bytes there are. Does not change.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A device writes `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// [`PeerError`] when the range is not all there, or the memory is gone.
    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), PeerError>;

    /// A device reads `bytes.len()` bytes from `offset` on. Memory that nobody transmits from need not offer it; then it
    /// refuses.
    ///
    /// # Errors
    ///
    /// [`PeerError`] when the range is not all there, the memory is gone, or it cannot be read.
    fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<(), PeerError> {
        Err(PeerError { offset, len: bytes.len() })
    }
}

/// Peer memory refused a write or a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the peer's memory refused {len} bytes at offset {offset}: out of range, not to be read, or the memory is gone"
)]
pub struct PeerError {
    /// Where the range begins.
    pub offset: usize,
    /// How many bytes it has.
    pub len: usize,
}

impl PeerError {
    /// Returns EFAULT, which is the nearest. In Linux such a transfer is a fault of the IOMMU, which the device
    /// reports.
    pub fn errno(&self) -> i32 {
        EFAULT
    }
}

/// Why a range of peer memory could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The range is empty or leaves the memory.
    #[error("cannot map {len} bytes at offset {offset} of a memory of {size} bytes: give a range inside it")]
    Range {
        /// First byte.
        offset: usize,
        /// Length in bytes.
        len: usize,
        /// How large the memory is.
        size: usize,
    },
    /// The device has no address for it.
    #[error("the device has no addresses left for {len} bytes: map less")]
    NoRoom {
        /// Length in bytes.
        len: usize,
    },
}

impl MapError {
    /// Returns ENOMEM, as `dma_buf_map_attachment` does when an exporter maps nothing. Linux maps a dma-buf as a whole,
    /// so it has no refusal for a range; EINVAL is the nearest, which `io_import_dmabuf` returns for a length that is
    /// not the dma-buf's.
    pub fn errno(&self) -> i32 {
        match self {
            MapError::Range { .. } => EINVAL,
            MapError::NoRoom { .. } => ENOMEM,
        }
    }
}

/// A range of peer memory that one device can reach, for as long as this value lives (rule O5).
///
/// An area of net_iovs is made from it and keeps it, so no net_iov outlives its mapping, and none is made from a bare
/// address. Dropping it unmaps the range.
pub struct DmaMapping {
    device: Arc<dyn DmaDevice>,
    /// That of `device`.
    device_id: DeviceId,
    addr: DmaAddr,
    len: usize,
}

assert_not_impl_any!(DmaMapping: Clone, Copy, Default);

impl DmaMapping {
    /// Maps `len` bytes of `memory` from `offset` on for `device`, to receive into. What is transmitted from is mapped by
    /// [`DmabufTxBinding`](crate::page_pool::DmabufTxBinding), so that no memory is bound for the wrong direction.
    ///
    /// # Errors
    ///
    /// [`MapError`], as the device says.
    #[doc(alias = "dma_buf_map_attachment")]
    pub fn new(
        device: Arc<dyn DmaDevice>,
        memory: Arc<dyn PeerMemory>,
        offset: usize,
        len: usize,
    ) -> Result<Self, MapError> {
        Self::with_direction(device, memory, offset, len, DmaDirection::FromDevice)
    }

    /// Maps for either direction.
    pub(crate) fn with_direction(
        device: Arc<dyn DmaDevice>,
        memory: Arc<dyn PeerMemory>,
        offset: usize,
        len: usize,
        direction: DmaDirection,
    ) -> Result<Self, MapError> {
        let addr = device.map_peer(memory, offset, len, direction)?;
        Ok(DmaMapping { device_id: device.id(), device, addr, len })
    }

    /// Where the device finds the first byte.
    pub fn addr(&self) -> DmaAddr {
        self.addr
    }

    /// How many bytes are mapped.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none are; no device maps nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns whether this device made it: no other can use its address.
    pub fn is_for(&self, device: DeviceId) -> bool {
        self.device_id == device
    }
}

impl Drop for DmaMapping {
    fn drop(&mut self) {
        // SAFETY: the address came from `map_peer` of this device, and only this value unmaps it, once.
        unsafe { self.device.unmap_peer(self.addr) }
    }
}

impl fmt::Debug for DmaMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmaMapping").field("addr", &self.addr).field("len", &self.len).finish()
    }
}
