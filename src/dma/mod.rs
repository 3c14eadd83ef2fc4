//! DMA: how a device reaches memory.
//!
//! [`DmaDevice`] is what a pool knows of a device: it maps pages, and it says whether CPU and device must be told when
//! a buffer changes hands. [`DmaQueue`] is what a receive ring knows of it: buffers go out as descriptors and come back
//! as completions. Both are unsafe traits, because both promise the one thing that makes `&[u8]` over DMA memory sound:
//! **between the completion of a buffer and its next post, the device does not write it.** [`DmaTxQueue`] is the same
//! for transmit, where the device reads, and [`TxMap`] holds what a packet has mapped for it.
//!
//! Three devices that make mistakes visible are in the crate `netmem-sim`.
//!
//! Only a `&Page` can be mapped (rules C5 and D3). Memory that has no page has an address because its exporter gave it
//! to the device as a whole: [`DmaMapping`].

mod device_id;
mod mapping;
#[cfg(test)]
pub(crate) mod plain;
mod queue;
mod tx_map;
mod tx_queue;

pub use device_id::DeviceId;
pub use mapping::{DmaMapping, MapError, PeerError, PeerMemory};
pub use queue::{DmaQueue, DmaSlice, RxCompletion, RxDescriptor};
#[doc(alias = "skb_frag_dma_map")]
#[doc(alias = "dma_map_single")]
#[doc(alias = "netmem_dma_unmap_page_attrs")]
#[doc(alias = "netmem_dma_unmap_addr_set")]
#[doc(alias = "DEFINE_DMA_UNMAP_ADDR")]
pub use tx_map::TxMap;
pub use tx_map::{MAX_TX_PIECES, TxMapError};
#[doc(alias = "CHECKSUM_PARTIAL")]
pub use tx_queue::TxChecksum;
pub use tx_queue::{DmaTxQueue, TxCompletion, TxDescriptor};

use crate::alloc::Arc;
use crate::memory::{DmaAddr, Page};

/// Which way data goes through a mapping: `enum dma_data_direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[doc(alias = "dma_data_direction")]
pub enum DmaDirection {
    /// The device writes, the CPU reads: receive.
    #[default]
    #[doc(alias = "DMA_FROM_DEVICE")]
    FromDevice,
    /// The CPU writes, the device reads: transmit.
    #[doc(alias = "DMA_TO_DEVICE")]
    ToDevice,
    /// Both: receive, then transmit from the same buffer (XDP).
    #[doc(alias = "DMA_BIDIRECTIONAL")]
    Bidirectional,
}

impl DmaDirection {
    /// Whether the device writes.
    pub const fn device_writes(self) -> bool {
        !matches!(self, DmaDirection::ToDevice)
    }

    /// Whether the device reads.
    pub const fn device_reads(self) -> bool {
        !matches!(self, DmaDirection::FromDevice)
    }
}

/// What a pool needs of a device: `struct device` as the DMA API sees it.
///
/// # Safety
///
/// An implementation promises that
/// - [`id`](Self::id) always returns the same value, and every other value with that id is the same device: an address
///   from one of them reaches the same memory through the other;
/// - an address from [`map`](Self::map) reaches the bytes of that page's block and no others, until it is unmapped;
/// - an address from [`map_peer`](Self::map_peer) reaches that range of the peer's memory and no others;
/// - an address reaches nothing from the end of its last mapping until it is handed out again. (No descriptor that is with
///   the device names such an address: what the device has stays mapped until it comes back, rule D5.)
/// - the device writes a buffer only from its post to its completion (or to the stop of its queue), never between the
///   completion and the next post, and reads what is transmitted only from its post to its completion likewise;
/// - no method panics, or calls into a pool, a provider or a hook; but `map_peer` and `unmap_peer` may call and drop the
///   [`PeerMemory`] that they were given, which can do either. A pool calls neither of the two under its locks.
pub unsafe trait DmaDevice: Send + Sync {
    /// Returns the identity of the device: one that it has drawn with [`DeviceId::new`]. A value that stands in for another
    /// device and passes every call on returns the other's.
    fn id(&self) -> DeviceId;

    /// Makes the block of `page` reachable for the device. `None` when the device has no room for it.
    ///
    /// A pool maps its own memory, and [`TxMap`] maps what is transmitted and keeps it: a driver calls neither this nor
    /// [`unmap`](Self::unmap).
    ///
    /// # Safety
    ///
    /// The block stays allocated, and is not split, until the caller has ended the mapping: the mapping is a pointer to it
    /// and does not keep it.
    #[doc(alias = "dma_map_page")]
    #[doc(alias = "dma_map_page_attrs")]
    unsafe fn map(&self, page: &Page, direction: DmaDirection) -> Option<DmaAddr>;

    /// Ends a mapping.
    ///
    /// # Safety
    ///
    /// `addr` came from [`map`](Self::map) of this device, has not been unmapped, and its page is still allocated.
    #[doc(alias = "dma_unmap_page")]
    #[doc(alias = "dma_unmap_page_attrs")]
    unsafe fn unmap(&self, addr: DmaAddr);

    /// Makes a range of a peer's memory reachable, without the CPU. Use [`DmaMapping::new`], which unmaps it again.
    ///
    /// # Errors
    ///
    /// [`MapError`], with the range that was refused.
    fn map_peer(
        &self,
        memory: Arc<dyn PeerMemory>,
        offset: usize,
        len: usize,
        direction: DmaDirection,
    ) -> Result<DmaAddr, MapError>;

    /// Ends a mapping of peer memory.
    ///
    /// # Safety
    ///
    /// `addr` came from [`map_peer`](Self::map_peer) of this device and has not been unmapped.
    unsafe fn unmap_peer(&self, addr: DmaAddr);

    /// Whether a buffer that changes hands must be synced. Asked once, when a pool is made.
    #[doc(alias = "dma_dev_need_sync")]
    fn needs_sync(&self) -> bool;

    /// Shows the CPU what the device wrote to `offset..offset + len` of a mapped page.
    ///
    /// # Safety
    ///
    /// `addr` is mapped, the range is inside its page's block, and neither the device nor anybody else touches those
    /// bytes meanwhile.
    #[doc(alias = "dma_sync_single_range_for_cpu")]
    unsafe fn sync_for_cpu(&self, addr: DmaAddr, offset: usize, len: usize);

    /// Shows the device what the CPU wrote to `offset..offset + len` of a mapped page.
    ///
    /// # Safety
    ///
    /// As for [`sync_for_cpu`](Self::sync_for_cpu).
    #[doc(alias = "dma_sync_single_range_for_device")]
    unsafe fn sync_for_device(&self, addr: DmaAddr, offset: usize, len: usize);

    /// Shows the device `bytes`, which lie at `offset` of a mapped page. They are read through this slice and no other
    /// pointer, because the caller may have borrowed them from a `&mut [u8]` that it writes afterwards.
    ///
    /// # Safety
    ///
    /// `addr` is mapped, the range is inside its page's block, and `bytes` are the bytes there.
    #[doc(alias = "dma_sync_single_for_device")]
    unsafe fn sync_bytes_for_device(&self, addr: DmaAddr, offset: usize, bytes: &[u8]);
}
