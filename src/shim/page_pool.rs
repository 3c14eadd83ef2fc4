//! The helpers of include/net/page_pool, for memory of any kind.

use crate::Refused;
use crate::dma::DmaDirection;
use crate::memory::{DmaAddr, Kind, NetmemRef, Page};
use crate::page_pool::ShareError;
use crate::page_pool::SyncError;
use crate::page_pool::{Frag, Netmem, PagePool, PagePoolParams, PoolError, PoolKind, Received, Shares, Stats};

/// [`PagePool::new`]. C finds the provider through the queue's number; here it is an argument.
///
/// # Errors
///
/// [`PoolError`], where C has an `ERR_PTR` that can be forgotten.
pub fn page_pool_create<K: PoolKind>(params: PagePoolParams, provider: K::Provider) -> Result<PagePool<K>, PoolError> {
    PagePool::new(params, provider)
}

/// The end of a pool. Memory that is out comes back later, by itself.
pub fn page_pool_destroy<K: PoolKind>(pool: PagePool<K>) {
    drop(pool);
}

/// [`PagePool::alloc`]: one whole piece of memory. No allocation waits.
#[inline]
#[doc(alias = "page_pool_dev_alloc_netmems")]
pub fn page_pool_alloc_netmems<K: PoolKind>(pool: &mut PagePool<K>) -> Option<Netmem<K>> {
    pool.alloc()
}

/// [`PagePool::alloc_frag`]: a range of `size` bytes.
#[inline]
pub fn page_pool_alloc_frag_netmem<K: PoolKind>(pool: &mut PagePool<K>, size: u32) -> Option<Frag<K>> {
    pool.alloc_frag(size)
}

/// [`PagePool::alloc_at_least`]: a whole piece or a fragment of it.
#[inline]
#[doc(alias = "page_pool_dev_alloc_netmem")]
pub fn page_pool_alloc_netmem<K: PoolKind>(pool: &mut PagePool<K>, size: u32) -> Option<Frag<K>> {
    pool.alloc_at_least(size)
}

/// [`Netmem::share`]: `nr` references in one value.
///
/// # Errors
///
/// [`ShareError`], with the handle: it is not the only one, or `nr` is not 1 to 2^62 - 1.
#[inline]
pub fn page_pool_fragment_netmem<K: Kind>(
    netmem: Netmem<K>,
    nr: usize,
) -> Result<Shares<K>, Refused<ShareError, Netmem<K>>> {
    netmem.share(nr)
}

/// [`Netmem::get`]: one more reference.
#[inline]
pub fn page_pool_ref_netmem<K: Kind>(netmem: &Netmem<K>) -> Netmem<K> {
    netmem.get()
}

/// [`Shares::unref`]: drops all references that `shares` has left, and gives one back if they were the last.
///
/// C takes a number and returns the rest; at 0 the caller must put the page "unrefed". Here the number is in the value, and the
/// value to put is a handle.
#[inline]
pub fn page_pool_unref_netmem<K: Kind>(shares: Shares<K>) -> Option<Netmem<K>> {
    shares.unref()
}

/// [`PagePool::recycle_direct_synced`]: puts memory with the consumer side in hand, C's `allow_direct`. At most `dma_sync_size`
/// bytes are synced for the device.
#[inline]
#[doc(alias = "page_pool_put_unrefed_netmem")]
pub fn page_pool_put_netmem<K: PoolKind>(pool: &mut PagePool<K>, netmem: Netmem, dma_sync_size: u32) {
    pool.recycle_direct_synced(netmem, dma_sync_size);
}

/// Puts memory without the consumer side, from any context: `allow_direct` is `false`. A handle knows its pool, and dropping it
/// does the same.
#[inline]
pub fn page_pool_put_full_netmem(netmem: Netmem) {
    drop(netmem);
}

/// [`PagePool::recycle_direct`]: puts memory with the consumer side in hand (rule N1).
#[inline]
pub fn page_pool_recycle_direct_netmem<K: PoolKind>(pool: &mut PagePool<K>, netmem: Netmem) {
    pool.recycle_direct(netmem);
}

/// [`PagePool::recycle_frag`]: puts a range of a page with the consumer side in hand (rule N1). Without it, drop the frag.
#[inline]
pub fn page_pool_free_va(pool: &mut PagePool<Page>, va: Frag<Page>) {
    pool.recycle_frag(va);
}

/// Where a device finds the memory.
#[inline]
pub fn page_pool_get_dma_addr_netmem<K: Kind>(netmem: NetmemRef<'_, K>) -> DmaAddr {
    netmem.dma_addr()
}

/// [`PagePool::direction`]: which way the pool maps its memory.
#[inline]
pub fn page_pool_get_dma_dir<K: PoolKind>(pool: &PagePool<K>) -> DmaDirection {
    pool.direction()
}

/// [`PagePool::sync_for_cpu`]: the range is that of the completion, and the buffer has bytes only afterwards (rule D2).
///
/// # Errors
///
/// The buffer, when it is of another pool.
#[inline]
pub fn page_pool_dma_sync_netmem_for_cpu<K: PoolKind, H: Kind>(
    pool: &PagePool<K>,
    netmem: Received<H>,
) -> Result<Frag<H>, Refused<SyncError, Received<H>>> {
    pool.sync_for_cpu(netmem)
}

/// [`PagePool::is_unreadable`]: whether its memory is device memory. C asks whether there is a provider.
#[inline]
pub fn page_pool_is_unreadable<K: PoolKind>(pool: &PagePool<K>) -> bool {
    pool.is_unreadable()
}

/// [`PagePool::nid_changed`]: tells the pool on which node its NAPI runs.
#[inline]
pub fn page_pool_nid_changed<K: PoolKind>(pool: &mut PagePool<K>, new_nid: i32) {
    pool.nid_changed(new_nid);
}

/// Adds what the pool has counted to `stats`, so that a driver sums its pools.
pub fn page_pool_get_stats<K: PoolKind>(pool: &PagePool<K>, stats: &mut Stats) {
    *stats += pool.stats();
}

/// How many numbers [`page_pool_ethtool_stats_get`] writes.
pub const fn page_pool_ethtool_stats_get_count() -> usize {
    Stats::COUNT
}

/// Writes the names that ethtool shows into the front of `data`, and gives what is behind them.
///
/// # Errors
///
/// `data` itself, when it has not room for all of them.
pub fn page_pool_ethtool_stats_get_strings<'a>(
    data: &'a mut [&'static str],
) -> Result<&'a mut [&'static str], &'a mut [&'static str]> {
    if data.len() < Stats::COUNT {
        return Err(data);
    }
    let (names, rest) = data.split_at_mut(Stats::COUNT);
    names.copy_from_slice(&Stats::default().named().map(|(name, _)| name));
    Ok(rest)
}

/// Writes the counters into the front of `data`, in the order of the names, and gives what is behind them.
///
/// # Errors
///
/// `data` itself, when it has not room for all of them.
pub fn page_pool_ethtool_stats_get<'a>(data: &'a mut [u64], stats: &Stats) -> Result<&'a mut [u64], &'a mut [u64]> {
    if data.len() < Stats::COUNT {
        return Err(data);
    }
    let (counters, rest) = data.split_at_mut(Stats::COUNT);
    counters.copy_from_slice(&stats.named().map(|(_, count)| count));
    Ok(rest)
}
