//! The getters of C5: each takes a `&Page`, none takes a handle.

use super::Page;
use super::zone::{PFMEMALLOC, TAIL, ZoneInner};
use super::{PAGE_SIZE, zone};
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{Acquire, Relaxed};

/// How many references mm counts on the block.
#[inline]
pub fn page_ref_count(page: &Page) -> i32 {
    compound_head(page).refcount_ref().load(Acquire)
}

/// Where the CPU finds the page's first byte.
///
/// An address is no right: reading through it is `unsafe`, and so it should be. Bytes come from who owns them alone
/// ([`FreePage::bytes`](super::FreePage::bytes), [`Frag::bytes`](crate::Frag::bytes)).
#[inline]
pub fn page_address(page: &Page) -> NonNull<u8> {
    let zone = ZoneInner::of(page);
    zone.address(zone.index(page))
}

/// The page frame number.
#[inline]
pub fn page_to_pfn(page: &Page) -> usize {
    let zone = ZoneInner::of(page);
    zone.pfn(zone.index(page))
}

/// The NUMA node.
#[inline]
pub fn page_to_nid(page: &Page) -> i32 {
    ZoneInner::of(page).nid()
}

/// The first page of the block that `page` is part of; itself when it is no tail page.
#[inline]
pub fn compound_head(page: &Page) -> &Page {
    let word = page.desc().mm_word().load(Relaxed);
    if word & zone::TAIL == 0 {
        return page;
    }
    let zone = ZoneInner::of(page);
    zone.page(zone.index(page) - (word >> 2))
}

/// log2 of how many pages the block has.
#[inline]
pub fn compound_order(page: &Page) -> u32 {
    compound_head(page).page_type_ref().load(Relaxed)
}

/// Bytes in the block.
#[inline]
pub fn page_size(page: &Page) -> usize {
    PAGE_SIZE << compound_order(page)
}

/// Whether the page came from the reserve that memory reclaim lives on.
#[inline]
pub fn page_is_pfmemalloc(page: &Page) -> bool {
    page.desc().mm_word().load(Relaxed) & (PFMEMALLOC | TAIL) == PFMEMALLOC
}

/// Whether nobody but the caller counts on the block, and it is no reserve's: what a pool asks of a page that it wants
/// to keep. `head` is the first page of its block.
#[inline(always)]
pub(crate) fn head_is_free_to_keep(head: &Page) -> bool {
    // The bit is 0 in tail pages, and what a pool has is none.
    head.refcount_ref().load(Acquire) == 1 && head.desc().mm_word().load(Relaxed) & PFMEMALLOC == 0
}
