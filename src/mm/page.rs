//! The getters of C5: each takes a `&Page`, none takes a handle.

use super::{PAGE_SIZE, Page};
use crate::backend::{Backend, Host};
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{Acquire, Relaxed};

/// Bit of mm's word that says tail page.
pub(crate) const TAIL: usize = 1;
/// Bit of mm's word that says pfmemalloc.
pub(crate) const PFMEMALLOC: usize = 2;

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
    Host::page_address(page)
}

/// The page frame number.
#[inline]
pub fn page_to_pfn(page: &Page) -> usize {
    Host::page_to_pfn(page)
}

/// The NUMA node.
#[inline]
pub fn page_to_nid(page: &Page) -> i32 {
    Host::page_to_nid(page)
}

/// The first page of the block that `page` is part of; itself when it is no tail page.
#[inline]
pub fn compound_head(page: &Page) -> &Page {
    Host::compound_head(page)
}

/// log2 of how many pages the block has.
#[inline]
pub fn compound_order(page: &Page) -> u32 {
    Host::compound_order(page)
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
