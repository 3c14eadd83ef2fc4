//! The helpers of include/net/page_pool, for memory of any kind.

use crate::Refused;
use crate::dma::DmaDirection;
use crate::memory::{DmaAddr, Kind, NetmemRef, PageOrIov};
use crate::page_pool::ShareError;
use crate::page_pool::SyncError;
use crate::page_pool::{Frag, Netmem, PagePool, PagePoolParams, PoolError, PoolKind, Received, Shares, Stats};

mod sealed {
    pub trait Sealed {}
}

/// What a put is given for C's `pool` and `allow_direct`: the borrow is the flag.
///
/// `&mut PagePool` is the consumer side in hand, so the memory may go into the cache. `&PagePool` is not, nor is
/// [`Anywhere`]: the memory goes through the ring of its own pool. Whoever has not got `&mut` cannot say `true`
/// (rule N1). A `pool: &mut PagePool` is passed as `&mut *pool`.
pub trait PutVia: sealed::Sealed {
    /// Puts `memory`; if it goes into the cache, at most `sync_len` bytes are synced for the device.
    fn put<H: Kind>(self, memory: Netmem<H>, sync_len: u32);
}

/// For a put without the pool at hand, as when an skb is freed: a handle knows its own.
#[derive(Clone, Copy, Debug)]
pub struct Anywhere;

impl<K: PoolKind> sealed::Sealed for &mut PagePool<K> {}
impl<K: PoolKind> PutVia for &mut PagePool<K> {
    #[inline]
    fn put<H: Kind>(self, memory: Netmem<H>, sync_len: u32) {
        self.recycle_direct_synced(memory, sync_len);
    }
}

impl<K: PoolKind> sealed::Sealed for &PagePool<K> {}
impl<K: PoolKind> PutVia for &PagePool<K> {
    #[inline]
    fn put<H: Kind>(self, memory: Netmem<H>, _sync_len: u32) {
        drop(memory);
    }
}

impl sealed::Sealed for Anywhere {}
impl PutVia for Anywhere {
    #[inline]
    fn put<H: Kind>(self, memory: Netmem<H>, _sync_len: u32) {
        drop(memory);
    }
}

/// What a driver puts: a handle, a frag, which is a reference with a range, or a buffer that came back from the device and
/// that nobody has looked at. C puts the page of each.
///
/// [`cast`](Self::cast) is that of the thread: page to netmem.
pub trait Puttable: sealed::Sealed {
    /// What is known of the memory.
    type Kind: Kind;
    /// The same, cast.
    type Netmem: Puttable<Kind = PageOrIov>;

    /// Forgets the kind.
    fn cast(self) -> Self::Netmem;

    /// Puts it; if it goes into the cache, at most `sync_len` bytes are synced for the device.
    fn put(self, pool: impl PutVia, sync_len: u32);
}

impl<K: Kind> sealed::Sealed for Netmem<K> {}
impl<K: Kind> Puttable for Netmem<K>
where
    Netmem: From<Netmem<K>>,
{
    type Kind = K;
    type Netmem = Netmem;

    #[inline]
    fn cast(self) -> Netmem {
        self.into()
    }

    #[inline]
    fn put(self, pool: impl PutVia, sync_len: u32) {
        pool.put(self, sync_len);
    }
}

impl<K: Kind> sealed::Sealed for Frag<K> {}
impl<K: Kind> Puttable for Frag<K>
where
    Frag: From<Frag<K>>,
{
    type Kind = K;
    type Netmem = Frag;

    #[inline]
    fn cast(self) -> Frag {
        self.into()
    }

    #[inline]
    fn put(self, pool: impl PutVia, sync_len: u32) {
        pool.put(self.into_memory(), sync_len);
    }
}

impl<K: Kind> sealed::Sealed for Received<K> {}
impl<K: Kind> Puttable for Received<K>
where
    Received: From<Received<K>>,
{
    type Kind = K;
    type Netmem = Received;

    #[inline]
    fn cast(self) -> Received {
        self.into()
    }

    #[inline]
    fn put(self, pool: impl PutVia, sync_len: u32) {
        pool.put(self.into_memory(), sync_len);
    }
}

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

/// [`PagePool::alloc`]: one whole piece of memory.
#[inline]
pub fn page_pool_alloc_netmems<K: PoolKind>(pool: &mut PagePool<K>) -> Option<Netmem<K>> {
    pool.alloc()
}

/// The same: here no allocation waits.
#[inline]
pub fn page_pool_dev_alloc_netmems<K: PoolKind>(pool: &mut PagePool<K>) -> Option<Netmem<K>> {
    pool.alloc()
}

/// [`PagePool::alloc_frag`]: a range of `size` bytes.
#[inline]
pub fn page_pool_alloc_frag_netmem<K: PoolKind>(pool: &mut PagePool<K>, size: u32) -> Option<Frag<K>> {
    pool.alloc_frag(size)
}

/// [`PagePool::alloc_at_least`]: a whole piece or a fragment of it.
#[inline]
pub fn page_pool_alloc_netmem<K: PoolKind>(pool: &mut PagePool<K>, size: u32) -> Option<Frag<K>> {
    pool.alloc_at_least(size)
}

/// The same: here no allocation waits.
#[inline]
pub fn page_pool_dev_alloc_netmem<K: PoolKind>(pool: &mut PagePool<K>, size: u32) -> Option<Frag<K>> {
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
/// C takes a number and returns what is left; 0 obliges the caller to put the page "unrefed". Here the number is in the
/// value, and what must be put is a handle.
#[inline]
pub fn page_pool_unref_netmem<K: Kind>(shares: Shares<K>) -> Option<Netmem<K>> {
    shares.unref()
}

/// Puts a handle: `dma_sync_size` bytes, or all of them, are synced for the device if it goes into the cache.
#[inline]
pub fn page_pool_put_netmem(pool: impl PutVia, netmem: impl Puttable<Kind = PageOrIov>, dma_sync_size: u32) {
    netmem.put(pool, dma_sync_size);
}

/// Puts a handle, and syncs as much as the pool's parameters say.
#[inline]
pub fn page_pool_put_full_netmem(pool: impl PutVia, netmem: impl Puttable<Kind = PageOrIov>) {
    netmem.put(pool, u32::MAX);
}

/// Puts what [`page_pool_unref_netmem`] gave back. It is a handle like any other.
#[inline]
pub fn page_pool_put_unrefed_netmem(pool: impl PutVia, netmem: impl Puttable<Kind = PageOrIov>, dma_sync_size: u32) {
    netmem.put(pool, dma_sync_size);
}

/// [`PagePool::recycle_direct`]: needs the consumer side in hand (rule N1).
#[inline]
pub fn page_pool_recycle_direct_netmem<K: PoolKind>(pool: &mut PagePool<K>, netmem: impl Puttable<Kind = PageOrIov>) {
    netmem.put(pool, u32::MAX);
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
