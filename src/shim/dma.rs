//! The helpers that map a packet for transmit.

use crate::dma::{DmaSlice, TxMap};
use crate::netdev::{TxError, map_frag};
use crate::skb::FragRef;

/// Makes the `i`th frag of a packet reachable for the device that `map` is for, and says where. C gives an address, and
/// leaves it to the driver to remember how it came about; here `map` does.
///
/// # Errors
///
/// [`TxError`]: the device cannot reach it, or has no room. What was mapped before stays mapped until `map` is dropped.
#[inline]
pub fn skb_frag_dma_map(map: &mut TxMap, i: usize, frag: FragRef<'_>) -> Result<DmaSlice, TxError> {
    map_frag(map, i, frag)
}

/// Unmaps what a packet has mapped, which no net_iov ever is.
#[inline]
pub fn netmem_dma_unmap_page_attrs(map: TxMap) {
    drop(map);
}
