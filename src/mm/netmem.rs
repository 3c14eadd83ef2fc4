//! What can be asked of a handle and needs mm: the answer for a net_iov is fixed, the one for a page is the page's.

use super::{compound_head, page_address, page_is_pfmemalloc, page_ref_count, page_to_nid, page_to_pfn};
use crate::memory::{Backing, NetmemRef};
use core::ptr::NonNull;

/// Where the CPU finds the memory's first byte; `None` for a net_iov, which has no such place.
#[inline]
pub fn netmem_address(memory: NetmemRef<'_>) -> Option<NonNull<u8>> {
    memory.backing().page().map(page_address)
}

/// The page frame number for a trace; 0 for a net_iov.
pub fn netmem_pfn_trace(memory: NetmemRef<'_>) -> usize {
    memory.backing().page().map_or(0, page_to_pfn)
}

/// Whether the memory is on NUMA node `nid`. True for a net_iov: its provider has chosen.
pub fn netmem_is_pref_nid(memory: NetmemRef<'_>, nid: i32) -> bool {
    memory.backing().page().is_none_or(|page| page_to_nid(page) == nid)
}

/// The head of a compound page; a net_iov is never compounded.
pub fn netmem_compound_head(memory: NetmemRef<'_>) -> NetmemRef<'_> {
    match memory.backing() {
        Backing::Page(page) => compound_head(page).into(),
        Backing::NetIov(_) => memory,
    }
}

/// Whether the memory came from the reserve; a net_iov never did.
#[inline]
pub fn netmem_is_pfmemalloc(memory: NetmemRef<'_>) -> bool {
    memory.backing().page().is_some_and(page_is_pfmemalloc)
}

/// mm's count; 1 for a net_iov, which only the pool counts.
pub fn netmem_ref_count(memory: NetmemRef<'_>) -> i32 {
    memory.backing().page().map_or(1, page_ref_count)
}
