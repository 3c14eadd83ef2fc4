//! The helpers of include/linux/skbuff.h that deal with frags.

use crate::Refused;
use crate::memory::{Kind, NetmemRef, Page};
use crate::mm::FreePage;
use crate::page_pool::{Frag, RangeError};
use crate::skb::AddFragError;
use crate::skb::{MmFrag, Skb, SkbFrag};

/// Bytes in a frag.
#[inline]
pub fn skb_frag_size(frag: &SkbFrag) -> u32 {
    frag.len()
}

/// First byte of a frag, within its memory.
#[inline]
pub fn skb_frag_off(frag: &SkbFrag) -> u32 {
    frag.offset()
}

/// The memory a frag is a part of.
#[inline]
pub fn skb_frag_netmem(frag: &SkbFrag) -> NetmemRef<'_> {
    frag.borrow()
}

/// The page a frag is a part of; `None` for a net_iov, and the other arm must be written.
#[inline]
pub fn skb_frag_page(frag: &SkbFrag) -> Option<&Page> {
    frag.page()
}

/// Whether a frag is memory without a page.
#[inline]
pub fn skb_frag_is_net_iov(frag: &SkbFrag) -> bool {
    frag.is_net_iov()
}

/// The bytes of a frag, all of them and no more; `None` when the CPU cannot read them (rule S1).
#[inline]
#[doc(alias = "skb_frag_address_safe")]
pub fn skb_frag_address(frag: &SkbFrag) -> Option<&[u8]> {
    frag.bytes()
}

/// Whether the CPU can read every frag of a packet.
#[inline]
pub fn skb_frags_readable(skb: &Skb) -> bool {
    skb.frags_readable()
}

/// Shortens a frag to `size` bytes.
///
/// # Errors
///
/// [`RangeError`], when it has fewer.
#[inline]
pub fn skb_frag_size_set(frag: &mut SkbFrag, size: u32) -> Result<(), RangeError> {
    frag.narrow(0, size)
}

/// Takes `delta` bytes off the end of a frag.
///
/// # Errors
///
/// [`RangeError`], when it has fewer.
#[inline]
pub fn skb_frag_size_sub(frag: &mut SkbFrag, delta: u32) -> Result<(), RangeError> {
    let len = frag.len().checked_sub(delta).ok_or(RangeError { start: 0, len: delta, has: frag.len() })?;
    frag.narrow(0, len)
}

/// Takes `delta` bytes off the front of a frag. C moves the offset alone, and a `skb_frag_size_sub` of the same number
/// follows, or the frag reaches beyond its end; here it is this one call.
///
/// # Errors
///
/// [`RangeError`], when it has fewer.
#[inline]
pub fn skb_frag_off_add(frag: &mut SkbFrag, delta: u32) -> Result<(), RangeError> {
    let len = frag.len().checked_sub(delta).ok_or(RangeError { start: delta, len: 0, has: frag.len() })?;
    frag.narrow(delta, len)
}

/// Moves the front of a frag to `offset` within its memory. It can only move towards the end.
///
/// # Errors
///
/// [`RangeError`], when that is before the front or behind the end.
#[inline]
pub fn skb_frag_off_set(frag: &mut SkbFrag, offset: u32) -> Result<(), RangeError> {
    skb_frag_off_add(frag, offset.wrapping_sub(frag.offset()))
}

/// Lets a frag grow by the one that continues it. C takes a number of bytes, whoever they belong to.
///
/// # Errors
///
/// `next`, when it does not continue the frag.
#[inline]
pub fn skb_frag_size_add(frag: &mut SkbFrag, next: Frag) -> Result<(), Frag> {
    match frag {
        SkbFrag::Pool(frag) => frag.try_merge(next),
        _ => Err(next),
    }
}

/// A frag of a packet out of a pool's memory: offset and size are in the value.
#[inline]
pub fn skb_frag_fill_netmem_desc<K: Kind>(frag: Frag<K>) -> SkbFrag
where
    Frag<K>: Into<Frag>,
{
    SkbFrag::Pool(frag.into())
}

/// A frag of a packet out of a page that is no pool's.
///
/// # Errors
///
/// The page, when the range is not inside it.
#[inline]
pub fn skb_frag_fill_page_desc(page: FreePage, off: u32, size: u32) -> Result<SkbFrag, FreePage> {
    MmFrag::new(page, off, size).map(SkbFrag::Mm)
}

/// Attaches a frag as the last one. C takes its number, and is right only if it is that of the last one.
///
/// # Errors
///
/// [`AddFragError`], with the frag.
#[inline]
#[doc(alias = "__skb_fill_page_desc")]
#[doc(alias = "__skb_fill_page_desc_noacc")]
pub fn skb_fill_page_desc(skb: &mut Skb, frag: SkbFrag) -> Result<(), Refused<AddFragError, SkbFrag>> {
    skb.push_frag(frag)
}

/// Attaches received memory of any kind, and joins it to the last frag when it continues that.
///
/// # Errors
///
/// [`AddFragError`], with the frag.
#[inline]
pub fn skb_add_rx_frag_netmem(skb: &mut Skb, frag: Frag) -> Result<(), Refused<AddFragError, SkbFrag>> {
    skb.add_rx_frag(frag)
}

/// Attaches a received range of a page: the cast, and the helper for memory of any kind.
///
/// # Errors
///
/// [`AddFragError`], with the frag.
#[inline]
pub fn skb_add_rx_frag(skb: &mut Skb, frag: Frag<Page>) -> Result<(), Refused<AddFragError, SkbFrag>> {
    skb_add_rx_frag_netmem(skb, frag.into())
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

/// Joins a frag to the last one of the packet. C grows that by a number of bytes, and leaves the reference to the caller.
///
/// # Errors
///
/// The frag, when it does not continue the last one.
#[inline]
pub fn skb_coalesce_rx_frag(skb: &mut Skb, frag: Frag) -> Result<(), Frag> {
    skb.coalesce_rx_frag(frag)
}

/// A packet around a buffer. Host memory only, by type (rule P2).
#[inline]
pub fn napi_build_skb(data: Frag<Page>) -> Skb {
    Skb::build(data)
}
