//! [`PagePool`]: the consumer side of a pool, and its owner.

use super::provider::Installed;
use super::{
    AnyProvider, Batch, Frag, Netmem, PagePoolParams, PoolError, PoolFlags, PoolKind, ProviderError, Readable,
    Received, Stats,
};
use crate::Refused;
use crate::assert::assert_not_impl_any;
use crate::backend::{Backend, Host, Pool};
use crate::dma::{DeviceId, DmaDirection};
use crate::error::errno::EINVAL;
use crate::memory::{Kind, PageOrIov, PoolId};
use crate::mm::{MAX_ORDER, PAGE_SIZE};
use core::fmt;

/// A pool of network memory: `struct page_pool`, with the consumer side in hand.
///
/// Whoever has `&mut PagePool` is the consumer: it allocates and recycles without a lock or an atomic
/// read-modify-write (rule N1). Everybody else has handles, and drops them. Dropping the pool while handles are out is
/// fine: cache and ring go back to the provider, what is out is unmapped, and the last handle frees the rest.
///
#[doc = include_str!("../../docs/shutdown.svg")]
///
/// The kind says what comes out. `PagePool<Page>` takes providers of pages only, so what it gives is readable without a
/// check (rule P2); `PagePool` takes any.
///
/// ```
/// use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Page};
///
/// let zone = Zone::new(128)?;
/// let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(zone.clone()))?;
/// let first = pool.alloc().expect("pages are free");
/// let word = first.borrow().as_raw();
/// pool.recycle_direct(first);
/// let again = pool.alloc().expect("the cache has it");
/// assert_eq!(again.borrow().as_raw(), word, "last in, first out");
/// std::thread::spawn(move || drop(again)).join().unwrap(); // through the ring
/// assert_eq!(pool.stats().recycle_ring, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PagePool<K: PoolKind = PageOrIov> {
    pool: <Host as Backend>::Pool<K>,
}

assert_not_impl_any!(PagePool: Clone, Copy, Default);

impl<K: PoolKind> PagePool<K> {
    /// A pool with these parameters over this provider.
    ///
    /// Name the kind in the call: `PagePool::<Page>::new(params, provider)` takes a provider of pages as it is, and
    /// `PagePool::<PageOrIov>::new(params, AnyProvider::from(provider))` one of either kind.
    ///
    /// # Errors
    ///
    /// [`PoolError`]: the parameters do not fit together, the provider refused, or there is no memory.
    #[doc(alias = "page_pool_create")]
    pub fn new(params: PagePoolParams, provider: K::Provider) -> Result<Self, PoolError> {
        params.check()?;
        let provider = provider.into();
        if let AnyProvider::NetIov(_) = provider {
            if !params.flags.contains(PoolFlags::DMA_MAP | PoolFlags::DMA_SYNC_DEV) {
                return Err(ProviderError::NeedsDma.into());
            }
        }
        let (provider, piece_size) = Installed::new(provider, &params)?;
        let fits = match &*provider {
            AnyProvider::Page(_) => params.order <= MAX_ORDER && piece_size == (PAGE_SIZE as u32) << params.order,
            AnyProvider::NetIov(_) => {
                piece_size.is_power_of_two() && (PAGE_SIZE as u32..=1 << 31).contains(&piece_size)
            }
        };
        if !fits {
            return Err(PoolError::PieceSize { size: piece_size, order: params.order });
        }
        params.check_range(piece_size)?;
        if params.rx_page_size != 0 && params.rx_page_size != piece_size {
            return Err(ProviderError::PieceSize { asked: params.rx_page_size, has: piece_size }.into());
        }
        let device = params.device.as_ref().filter(|_| params.flags.contains(PoolFlags::DMA_MAP));
        let device_needs_sync = device.is_some_and(|device| device.needs_sync());
        // Pages are read through the handle, so nobody can say that theirs need no sync (rule D2).
        if device_needs_sync && !provider.wants_sync() && !provider.is_unreadable() {
            return Err(PoolError::ReadableUnsynced);
        }
        let needs_sync = device_needs_sync && provider.wants_sync();
        if needs_sync && !params.flags.contains(PoolFlags::DMA_SYNC_DEV) {
            return Err(PoolError::NeverSynced);
        }
        Ok(PagePool { pool: Pool::create(params, provider, piece_size, needs_sync)? })
    }

    /// One piece of memory; `None` when ring and provider have none, or the device cannot map it.
    ///
    /// It has been synced for the device if the pool was made with `DMA_SYNC_DEV` for a device that needs it.
    ///
    /// # Its bytes
    ///
    /// They are what the last owner left there: an earlier packet of this queue, or whatever the provider's memory held before.
    /// Nothing is cleared, as in Linux. A driver that hands out bytes which neither it nor the device has written shows one
    /// user what another received. On a device that needs syncs they may also be older than what the device wrote.
    ///
    /// ```
    /// # use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Page};
    /// let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(Zone::new(64)?))?;
    /// let mut first = pool.alloc_frag(4096).expect("pages are free");
    /// first.bytes_mut().fill(0x5e);
    /// pool.recycle_frag(first);
    /// let next = pool.alloc_frag(4096).expect("the cache has it");
    /// assert_eq!(next.bytes()[0], 0x5e, "nobody has cleared it");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[doc(alias = "page_pool_alloc_netmems")]
    #[doc(alias = "page_pool_alloc_pages")]
    #[doc(alias = "page_pool_dev_alloc_netmems")]
    #[doc(alias = "page_pool_dev_alloc_pages")]
    pub fn alloc(&mut self) -> Option<Netmem<K>> {
        Some(self.pool.alloc()?.into_netmem())
    }

    /// A range of `size` bytes that starts at a multiple of 64; many share one piece of memory. `None` when `size` is 0
    /// or more than a piece has, or when there is no memory. Its bytes are what the last owner left there
    /// ([`alloc`](Self::alloc)).
    #[inline]
    #[doc(alias = "page_pool_alloc_frag_netmem")]
    #[doc(alias = "page_pool_alloc_frag")]
    #[doc(alias = "page_pool_dev_alloc_frag")]
    pub fn alloc_frag(&mut self, size: u32) -> Option<Frag<K>> {
        let (netmem, offset) = self.pool.alloc_frag(size)?;
        // SAFETY: the range is inside the memory, and no other frag reaches there.
        Some(unsafe { Frag::new(netmem, offset, size) })
    }

    /// A range of at least `size` bytes: a whole piece when two of that size would not fit into one, else a fragment. The
    /// last fragment of a piece gets what is left of it, so [`Frag::len`] is what the packet truly costs. `None` as for
    /// [`alloc_frag`](Self::alloc_frag). Its bytes are what the last owner left there ([`alloc`](Self::alloc)).
    #[doc(alias = "page_pool_alloc")]
    #[doc(alias = "page_pool_alloc_netmem")]
    #[doc(alias = "page_pool_dev_alloc")]
    #[doc(alias = "page_pool_dev_alloc_netmem")]
    #[doc(alias = "page_pool_alloc_va")]
    #[doc(alias = "page_pool_dev_alloc_va")]
    pub fn alloc_at_least(&mut self, size: u32) -> Option<Frag<K>> {
        let max = self.piece_size();
        if size > max {
            return None;
        }
        if size > max / 2 {
            let netmem = self.alloc()?;
            // SAFETY: the handle is the only one, so nobody else has a range of the memory, and `max` bytes are all of it.
            return Some(unsafe { Frag::new(netmem, 0, max) });
        }
        let (netmem, offset) = self.pool.alloc_frag(size)?;
        let len = self.pool.give_rest(offset, size);
        // SAFETY: the range is inside the memory, and no other frag reaches there, nor will one be cut there.
        Some(unsafe { Frag::new(netmem, offset, len) })
    }

    /// Adds pieces of memory to a batch until it is full, or there is no more. Says how many it added. Their bytes are what
    /// the last owner left there ([`alloc`](Self::alloc)).
    #[doc(alias = "page_pool_alloc_netmems")]
    pub fn alloc_bulk(&mut self, batch: &mut Batch<K>) -> usize {
        self.pool.alloc_bulk(batch.handles())
    }

    /// Empties a batch: [`recycle_direct`](Self::recycle_direct) for each of its handles.
    #[doc(alias = "page_pool_put_netmem_bulk")]
    pub fn recycle_bulk<H: Kind>(&mut self, batch: &mut Batch<H>) {
        self.pool.recycle_bulk(batch.handles());
    }

    /// Drops a handle, and keeps the memory in the cache if it was the last.
    ///
    /// Any handle may be given: one of another pool returns to that pool. It takes the consumer side, so it does not
    /// compile elsewhere (rule N1); there, dropping the handle does the same through the ring.
    #[inline]
    #[doc(alias = "page_pool_recycle_direct_netmem")]
    #[doc(alias = "page_pool_recycle_direct")]
    #[doc(alias = "page_pool_put_full_netmem")]
    pub fn recycle_direct<H: Kind>(&mut self, memory: Netmem<H>) {
        self.pool.recycle(memory, u32::MAX);
    }

    /// [`recycle_direct`](Self::recycle_direct) of memory of which the device can have written, or the CPU, no more than
    /// `sync_len` bytes from the pool's `offset` on: no more are synced for the device. Nor more than `max_len`.
    #[inline]
    #[doc(alias = "page_pool_put_netmem")]
    #[doc(alias = "page_pool_put_page")]
    pub fn recycle_direct_synced<H: Kind>(&mut self, memory: Netmem<H>, sync_len: u32) {
        self.pool.recycle(memory, sync_len);
    }

    /// [`recycle_direct`](Self::recycle_direct) for a frag.
    #[inline]
    #[doc(alias = "page_pool_free_va")]
    pub fn recycle_frag<H: Kind>(&mut self, frag: Frag<H>) {
        self.pool.recycle(frag.into_memory(), u32::MAX);
    }

    /// [`recycle_direct`](Self::recycle_direct) for a buffer that came back from the device and that nobody has looked at.
    #[inline]
    pub fn recycle_received<H: Kind>(&mut self, buffer: Received<H>) {
        self.pool.recycle(buffer.into_memory(), u32::MAX);
    }

    /// Shows the CPU what the device wrote, and gives the bytes that were received: syncs [`len`](Received::len) bytes
    /// from where the device was to write. Coherent devices and dma-bufs need no sync, and get none.
    ///
    /// # Errors
    ///
    /// The buffer, when it is not of this pool: only its own knows the device.
    #[inline]
    #[doc(alias = "page_pool_dma_sync_for_cpu")]
    #[doc(alias = "page_pool_dma_sync_netmem_for_cpu")]
    pub fn sync_for_cpu<H: Kind>(&self, buffer: Received<H>) -> Result<Frag<H>, Refused<SyncError, Received<H>>> {
        Ok(self.sync(buffer, false)?.into_frag())
    }

    /// Copybreak: shows `read` the bytes that were received, and gives the whole buffer back, to be posted again at once,
    /// with what `read` made of them.
    ///
    /// The buffer is synced for the CPU before, all of it, since all of it comes back with its bytes (rule D2), and for the
    /// device afterwards, as a put and a new allocation would; but the memory does not leave the driver. Behind the bytes
    /// that were received is whatever the device left there. For kind `PageOrIov` the bytes are an `Option`: `None` for a
    /// net_iov (rule D1).
    ///
    /// ```
    /// use netmem_sim::dma::{Bounce, DmaBus};
    /// use netmem::netdev::Hardware;
    /// use netmem_sim::nic::{Nic, NicParams};
    /// use netmem_sim::nic::traffic::{Generator, GeneratorParams, PayloadSize};
    /// use netmem::page_pool::{PagePool, PagePoolParams};
    /// use netmem::{mm::Zone, netdev::RxRing, provider::PageProvider, skb::Skb, Page};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let size = PayloadSize::Fixed(100);
    /// let traffic = Generator::new(GeneratorParams { seed: 1, packets: 1, size, ports: vec![5001] }, 1514)?;
    /// let device = Arc::new(Bounce::new());
    /// let mut nic = Nic::start(NicParams::default(), device.clone(), Box::new(traffic))?;
    /// let params = PagePoolParams::for_device(device.driver_side(), 4096);
    /// let mut pool = PagePool::<Page>::new(params, PageProvider::new(Zone::new(64)?))?;
    ///
    /// let mut ring = RxRing::new(nic.rx_queue(0).expect("it has one")).expect("there is memory");
    /// ring.post(pool.alloc_frag(2048).expect("pages are free"), None)?;
    /// ring.kick();
    /// let completed = loop {
    ///     match ring.complete() {
    ///         Some(completed) => break completed?,
    ///         None => nic.wait(Duration::from_millis(10)),
    ///     }
    /// };
    /// let (buffer, skb) = pool.read_and_reuse(completed.payload, Skb::copy_from)?;
    /// assert_eq!(skb.expect("there is memory").len(), 142);
    /// assert_eq!(buffer.len(), 2048);
    /// ring.post(buffer, None)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The buffer, when it is not of this pool: only its own knows the device. `read` was not called then.
    #[inline]
    #[doc(alias = "rx_copybreak")]
    #[doc(alias = "dma_sync_single_for_device")]
    pub fn read_and_reuse<H: Readable, R>(
        &self,
        buffer: Received<H>,
        read: impl FnOnce(H::Bytes<'_>) -> R,
    ) -> Result<(Frag<H>, R), Refused<SyncError, Received<H>>> {
        let (frag, received) = self.sync(buffer, true)?.into_parts();
        let result = read(frag.bytes_in(received));
        self.pool.sync_for_device(&frag);
        Ok((frag, result))
    }

    /// Syncs as [`sync_for_cpu`](Self::sync_for_cpu) does, and keeps what lies around the bytes that were received. The caller
    /// must not show what lies behind them.
    pub(crate) fn sync_in_place<H: Kind>(
        &self,
        buffer: Received<H>,
    ) -> Result<Received<H>, Refused<SyncError, Received<H>>> {
        self.sync(buffer, false)
    }

    /// Syncs what was received, or `all` of the buffer.
    #[inline]
    pub(crate) fn sync<H: Kind>(
        &self,
        buffer: Received<H>,
        all: bool,
    ) -> Result<Received<H>, Refused<SyncError, Received<H>>> {
        let start = if all { 0 } else { buffer.start() };
        let end = if all { buffer.frag().len() } else { start + buffer.len() };
        if !self.pool.sync_for_cpu(buffer.frag(), start..end) {
            let pp = buffer.borrow().pp();
            return Err(Refused { reason: SyncError::OtherPool { pp }, back: buffer });
        }
        Ok(buffer)
    }

    /// Returns the pool as its backend has it.
    #[cfg(not(netmem_backend = "linux"))]
    pub(crate) fn into_pool(self) -> <Host as Backend>::Pool<K> {
        self.pool
    }

    /// Says that a NAPI has the pool from here on.
    pub(crate) fn link(&mut self, napi: <Host as Backend>::Napi) {
        self.pool.link(napi);
    }

    /// Says that no NAPI has the pool any more.
    pub(crate) fn unlink(&mut self) {
        self.pool.unlink();
    }

    /// Tells the pool on which NUMA node it is used. When that is news, the cache goes back to the provider, and pages of
    /// other nodes that come back through the ring leave the pool, one for each refill.
    #[inline]
    #[doc(alias = "page_pool_nid_changed")]
    #[doc(alias = "page_pool_update_nid")]
    pub fn nid_changed(&mut self, nid: i32) {
        self.pool.set_nid(nid);
    }

    /// Which pool this is: what its handles' [`pp`](crate::NetmemRef::pp) says.
    pub fn id(&self) -> PoolId {
        self.pool.id()
    }

    /// Where its memory comes from, for reports and to take it off its queue.
    pub fn provider(&self) -> &AnyProvider {
        self.pool.provider()
    }

    /// Which way data goes between its memory and the device.
    #[doc(alias = "page_pool_get_dma_dir")]
    pub fn direction(&self) -> DmaDirection {
        self.pool.direction()
    }

    /// Returns the number of this pool for people: from 1, in the order in which pools were made. This is `pool->user.id`.
    #[doc(alias = "user.id")]
    pub fn user_id(&self) -> u32 {
        self.pool.user_id()
    }

    /// What the pool has counted.
    #[doc(alias = "page_pool_get_stats")]
    pub fn stats(&self) -> Stats {
        self.pool.stats()
    }

    /// Returns how many pieces of memory the pool has from its provider, wherever they are: in use, in the cache or in the ring.
    #[doc(alias = "page_pool_inflight")]
    pub fn inflight(&self) -> usize {
        self.pool.inflight()
    }

    /// Returns how many pieces are in use: handles, frags, packets or the device have them. It is [`inflight`](Self::inflight)
    /// without the pieces that wait in the cache or the ring. Exact while nobody puts. Linux has no such number.
    pub fn in_use(&self) -> usize {
        self.pool.in_use()
    }

    /// Returns how many bytes each piece of memory has: the [`size`](Netmem::size) of its handles.
    #[inline]
    pub fn piece_size(&self) -> u32 {
        self.pool.piece_size()
    }

    /// Whether its memory is mapped for this device.
    pub fn is_mapped_for(&self, device: DeviceId) -> bool {
        self.pool.is_mapped_for(device)
    }

    /// Whether the CPU can read none of the pool's memory. (In Linux: whether it has a provider at all.)
    #[doc(alias = "page_pool_is_unreadable")]
    pub fn is_unreadable(&self) -> bool {
        self.pool.provider().is_unreadable()
    }
}

impl<K: PoolKind> fmt::Debug for PagePool<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PagePool")
            .field("kind", &K::NAME)
            .field("id", &self.id())
            .field("piece_size", &self.piece_size())
            .field("inflight", &self.inflight())
            .field("in_use", &self.in_use())
            .finish()
    }
}

/// Why a pool does not sync a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The buffer is not of this pool, which does not know the device that the buffer is mapped for.
    #[error("the buffer is of pool {pp:?}, not of this one: sync it with the pool it was allocated from")]
    OtherPool {
        /// The pool that the buffer is of.
        pp: Option<PoolId>,
    },
}

impl SyncError {
    /// Returns EINVAL, which is the nearest. Linux does not ask: it syncs an address of another device.
    pub fn errno(&self) -> i32 {
        match self {
            SyncError::OtherPool { .. } => EINVAL,
        }
    }
}
