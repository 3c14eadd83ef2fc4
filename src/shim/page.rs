//! The page helpers. Each is one cast and one call, and nothing may be added: tests/shim/wrappers.rs reads this file.

use super::{netmem, page_pool};
use crate::Refused;
use crate::memory::{DmaAddr, NetmemDesc, NetmemRef, Page};
use crate::page_pool::ShareError;
use crate::page_pool::SyncError;
use crate::page_pool::{Frag, Netmem, PagePool, Received, Shares};

/// One whole page, or block of pages, of the pool. No allocation waits.
#[inline]
#[doc(alias = "page_pool_dev_alloc_pages")]
pub fn page_pool_alloc_pages(pool: &mut PagePool<Page>) -> Option<Netmem<Page>> {
    page_pool::page_pool_alloc_netmems(pool)
}

/// A range of `size` bytes of a page.
#[inline]
#[doc(alias = "page_pool_dev_alloc_frag")]
pub fn page_pool_alloc_frag(pool: &mut PagePool<Page>, size: u32) -> Option<Frag<Page>> {
    page_pool::page_pool_alloc_frag_netmem(pool, size)
}

/// At least `size` bytes: a whole page or a range of one. The bytes are those of the frag; C's `_va` gives an address that must find
/// its page again.
#[inline]
#[doc(alias = "page_pool_dev_alloc")]
#[doc(alias = "page_pool_alloc_va")]
#[doc(alias = "page_pool_dev_alloc_va")]
pub fn page_pool_alloc(pool: &mut PagePool<Page>, size: u32) -> Option<Frag<Page>> {
    page_pool::page_pool_alloc_netmem(pool, size)
}

/// `nr` references to a page in one value.
///
/// # Errors
///
/// [`ShareError`], with the handle: it is not the only one, or `nr` is not 1 to 2^62 - 1.
#[inline]
pub fn page_pool_fragment_page(
    page: Netmem<Page>,
    nr: usize,
) -> Result<Shares<Page>, Refused<ShareError, Netmem<Page>>> {
    page_pool::page_pool_fragment_netmem(page, nr)
}

/// One more reference to a page.
#[inline]
pub fn page_pool_ref_page(page: &Netmem<Page>) -> Netmem<Page> {
    page_pool::page_pool_ref_netmem(page)
}

/// Drops all references that `shares` has left, and gives one back if they were the last.
#[inline]
pub fn page_pool_unref_page(shares: Shares<Page>) -> Option<Netmem<Page>> {
    page_pool::page_pool_unref_netmem(shares)
}

/// Puts a page with the consumer side in hand, C's `allow_direct`: at most `dma_sync_size` bytes are synced for the device.
#[inline]
#[doc(alias = "page_pool_put_unrefed_page")]
pub fn page_pool_put_page(pool: &mut PagePool<Page>, page: Netmem<Page>, dma_sync_size: u32) {
    page_pool::page_pool_put_netmem(pool, page.into(), dma_sync_size)
}

/// Puts a page without the consumer side, from any context: `allow_direct` is `false`. The page knows its pool.
#[inline]
pub fn page_pool_put_full_page(page: Netmem<Page>) {
    page_pool::page_pool_put_full_netmem(page.into())
}

/// Puts a page with the consumer side in hand (rule N1), and syncs as much as the pool's parameters say.
#[inline]
pub fn page_pool_recycle_direct(pool: &mut PagePool<Page>, page: Netmem<Page>) {
    page_pool::page_pool_recycle_direct_netmem(pool, page.into())
}

/// Where a device finds the page.
#[inline]
pub fn page_pool_get_dma_addr(page: &Page) -> DmaAddr {
    page_pool::page_pool_get_dma_addr_netmem(NetmemRef::<Page>::from(page))
}

/// The bytes that were received into a page, once the CPU can see them (rule D2).
///
/// # Errors
///
/// The buffer, when it is of another pool.
#[inline]
pub fn page_pool_dma_sync_for_cpu(
    pool: &PagePool<Page>,
    page: Received<Page>,
) -> Result<Frag<Page>, Refused<SyncError, Received<Page>>> {
    page_pool::page_pool_dma_sync_netmem_for_cpu(pool, page)
}

/// The view of a page that the pool works on.
#[inline]
pub fn pp_page_to_nmdesc(page: &Page) -> &NetmemDesc {
    netmem::netmem_to_nmdesc(NetmemRef::<Page>::from(page))
}
