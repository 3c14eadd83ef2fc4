//! The helpers of include/linux/skbuff.h that build a frag or change one.
//!
//! Here a frag is a value, and user space has it. In a kernel the frag is a field of the skb, so these are not there over Linux.

use crate::Refused;
use crate::memory::Kind;
use crate::mm::FreePage;
use crate::page_pool::{Frag, RangeError};
use crate::skb::{AddFragError, MmFrag, Skb, SkbFrag};

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

/// Joins a frag to the last one of the packet. C grows that by a number of bytes, and leaves the reference to the caller.
///
/// # Errors
///
/// The frag, when it does not continue the last one.
#[inline]
pub fn skb_coalesce_rx_frag(skb: &mut Skb, frag: Frag, truesize: u32) -> Result<(), Frag> {
    skb.coalesce_rx_frag(frag, truesize)
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
