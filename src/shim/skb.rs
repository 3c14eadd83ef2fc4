//! The helpers of include/linux/skbuff.h that deal with frags.

use crate::Refused;
use crate::memory::{Kind, NetmemRef, Page};
use crate::page_pool::{Frag, PagePool, Received};
use crate::skb::{AddFragError, FragRef, HeadError, Skb, SkbFrag};

/// Bytes in a frag.
#[inline]
pub fn skb_frag_size(frag: FragRef<'_>) -> u32 {
    frag.len()
}

/// First byte of a frag, within its memory.
#[inline]
pub fn skb_frag_off(frag: FragRef<'_>) -> u32 {
    frag.offset()
}

/// The memory a frag is a part of.
#[inline]
pub fn skb_frag_netmem(frag: FragRef<'_>) -> NetmemRef<'_> {
    frag.borrow()
}

/// The page a frag is a part of; `None` for a net_iov, and the other arm must be written.
#[inline]
pub fn skb_frag_page(frag: FragRef<'_>) -> Option<&Page> {
    frag.page()
}

/// Whether a frag is memory without a page.
#[inline]
pub fn skb_frag_is_net_iov(frag: FragRef<'_>) -> bool {
    frag.is_net_iov()
}

/// The bytes of a frag, all of them and no more; `None` when the CPU cannot read them (rule S1).
#[inline]
#[doc(alias = "skb_frag_address_safe")]
pub fn skb_frag_address(frag: FragRef<'_>) -> Option<&[u8]> {
    frag.bytes()
}

/// Whether the CPU can read every frag of a packet.
#[inline]
pub fn skb_frags_readable(skb: &Skb) -> bool {
    skb.frags_readable()
}

/// Attaches received memory of any kind, and joins it to the last frag when it continues that.
///
/// # Errors
///
/// [`AddFragError`], with the frag.
#[inline]
pub fn skb_add_rx_frag_netmem(skb: &mut Skb, frag: Frag, truesize: u32) -> Result<(), Refused<AddFragError, SkbFrag>> {
    skb.add_rx_frag(frag, truesize)
}

/// Attaches a received range of a page: the cast, and the helper for memory of any kind.
///
/// # Errors
///
/// [`AddFragError`], with the frag.
#[inline]
pub fn skb_add_rx_frag(skb: &mut Skb, frag: Frag<Page>, truesize: u32) -> Result<(), Refused<AddFragError, SkbFrag>> {
    skb_add_rx_frag_netmem(skb, frag.into(), truesize)
}

/// Whether a frag would join the last one of the packet.
#[inline]
pub fn skb_can_coalesce_netmem<K: Kind>(skb: &Skb, frag: &Frag<K>) -> bool {
    skb.can_coalesce(frag)
}

/// The same for a range of a page.
#[inline]
pub fn skb_can_coalesce(skb: &Skb, frag: &Frag<Page>) -> bool {
    skb_can_coalesce_netmem(skb, frag)
}

/// Syncs a buffer that came back, and builds a packet around it. Host memory only, by type (rule P2). C takes an address; the
/// driver has synced, and knows how much room is behind.
///
/// # Errors
///
/// [`HeadError`], with the buffer.
#[inline]
pub fn napi_build_skb(pool: &PagePool<Page>, data: Received<Page>) -> Result<Skb, Refused<HeadError, Received<Page>>> {
    Skb::receive_head(pool, data)
}
