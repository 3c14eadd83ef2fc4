//! [`Pool`]: the kernel's page_pool, with the consumer side in hand.

use super::{ffi, pool_of};
use crate::backend::{self, Backend, Host, Mapping};
use crate::dma::{DeviceId, DmaDirection};
use crate::error::errno::{EINVAL, EOPNOTSUPP};
use crate::memory::{Kind, NetmemRef, PoolId, Raw};
use crate::page_pool::{
    AnyProvider, Frag, Handles, Idle, Installed, Netmem, PagePoolParams, PoolError, PoolFlags, PoolKind, Stats,
};
use core::marker::PhantomData;
use core::ops::Range;
use core::ptr::{self, NonNull};

/// What allocations here may do: GFP_ATOMIC and __GFP_NOWARN, because polls allocate and a shortage is no error.
const GFP: ffi::Gfp = 0x820 | 0x2000;

/// The owner of a `struct page_pool`.
///
/// # Invariants
///
/// `pool` is a pool that this value destroys, whose memory is of kind `K`. `provider` stands for the memory that the kernel gives
/// it, so it is of that kind, too.
pub(crate) struct Pool<K: PoolKind> {
    pool: NonNull<ffi::PagePool>,
    provider: Installed,
    device: Option<DeviceId>,
    direction: DmaDirection,
    piece_size: u32,
    _kind: PhantomData<fn() -> K>,
}

// SAFETY: a page_pool may be used from any CPU; the consumer side is `&mut Pool`.
unsafe impl<K: PoolKind> Send for Pool<K> {}
// SAFETY: `&Pool` reads fields that do not change, and counters.
unsafe impl<K: PoolKind> Sync for Pool<K> {}

impl<K: PoolKind> Pool<K> {
    /// Returns whether memory is this pool's.
    fn owns<H: Kind>(&self, memory: NetmemRef<'_, H>) -> bool {
        pool_of(memory) == self.pool.as_ptr()
    }
}

/// Returns the word of memory that the kernel has allocated, or none.
fn allocated(word: ffi::NetmemWord) -> Option<Raw> {
    NonNull::new(word.cast::<()>()).map(Raw::from_word)
}

impl<K: PoolKind> backend::Pool<K> for Pool<K> {
    fn create(
        params: PagePoolParams,
        provider: Installed,
        piece_size: u32,
        _needs_sync: bool,
    ) -> Result<Self, PoolError> {
        // The kernel has trace points of its own, and prepares memory by C code.
        if params.hooks.is_some() || params.init_callback.is_some() {
            return Err(PoolError::Kernel { errno: EOPNOTSUPP });
        }
        let device = params.device.as_ref().map(|device| device.id());
        let device = device.filter(|_| params.flags.contains(PoolFlags::DMA_MAP));
        let asked = ffi::PoolParams {
            flags: params.flags.bits(),
            order: params.order,
            pool_size: params.ring_size() as u32,
            nid: params.nid.unwrap_or(-1),
            device: device.map_or(ptr::null_mut(), |device| device.as_ptr().cast()),
            direction: match params.direction {
                DmaDirection::Bidirectional => 0,
                DmaDirection::ToDevice => 1,
                DmaDirection::FromDevice => 2,
            },
            max_len: params.max_len,
            offset: params.offset,
            rx_page_size: params.rx_page_size,
            queue_idx: params.queue_idx,
            unreadable: provider.is_unreadable(),
        };
        let mut errno = 0;
        // SAFETY: both pointers are to local variables; the device is one that the kernel knows, as its identity says.
        let pool = NonNull::new(unsafe { ffi::netmem_rs_pool_create(&asked, &mut errno) });
        let pool = pool.ok_or(PoolError::Kernel { errno })?;
        // The kernel has decided by itself where the memory comes from.
        // SAFETY: the pool was just made.
        let unreadable = unsafe { ffi::netmem_rs_pool_is_unreadable(pool.as_ptr()) };
        // SAFETY: the same.
        let size = unsafe { ffi::netmem_rs_pool_piece_size(pool.as_ptr()) };
        // INVARIANT: the pool is this value's. Its memory is of the provider's kind, once the next line has not returned: a pool
        // has a provider, and net_iovs, or it has pages.
        let made = Pool { pool, provider, device, direction: params.direction, piece_size, _kind: PhantomData };
        let agrees = unreadable == made.provider.is_unreadable() && size == piece_size;
        if agrees { Ok(made) } else { Err(PoolError::Kernel { errno: EINVAL }) }
    }

    #[inline]
    fn alloc(&mut self) -> Option<Idle<K>> {
        // SAFETY: the pool lives, and `&mut Pool` is its consumer.
        let word = unsafe { ffi::page_pool_alloc_netmems(self.pool.as_ptr(), GFP) };
        let raw = allocated(word)?;
        // SAFETY: the memory is of kind `K` by the type's invariant; it has one reference, and nobody else has it.
        Some(unsafe { Idle::new(raw) })
    }

    fn alloc_bulk(&mut self, out: &mut Handles<K>) -> usize {
        let before = out.len();
        while out.room() != 0 {
            let Some(idle) = self.alloc() else { break };
            out.push(idle.into_netmem());
        }
        out.len() - before
    }

    #[inline]
    fn alloc_frag(&mut self, size: u32) -> Option<(Netmem<K>, u32)> {
        // The kernel does not align fragments by itself.
        let (mut offset, size) = (0, size.checked_next_multiple_of(64)?);
        if size == 0 || size > self.piece_size {
            return None;
        }
        // SAFETY: the pool lives, `&mut Pool` is its consumer, and the pointer is to a local variable.
        let word = unsafe { ffi::page_pool_alloc_frag_netmem(self.pool.as_ptr(), &mut offset, size, GFP) };
        let raw = allocated(word)?;
        // SAFETY: the memory is of kind `K` by the type's invariant; one of its references is the handle's.
        Some((unsafe { Netmem::new(raw) }, offset))
    }

    fn give_rest(&mut self, _offset: u32, size: u32) -> u32 {
        size
    }

    #[inline]
    fn recycle<H: Kind>(&mut self, memory: Netmem<H>, sync_len: u32) {
        if !self.owns(memory.borrow()) {
            // The handle returns to its own pool.
            return drop(memory);
        }
        let Some(idle) = memory.into_idle() else { return };
        // SAFETY: it is this pool's memory, it has no references, and `&mut Pool` is the consumer that direct recycling needs.
        unsafe {
            ffi::page_pool_put_unrefed_netmem(self.pool.as_ptr(), idle.word().as_ptr().cast(), sync_len, true);
        }
    }

    fn recycle_bulk<H: Kind>(&mut self, handles: &mut Handles<H>) {
        handles.drain().for_each(|memory| self.recycle(memory, u32::MAX));
    }

    fn sync_for_cpu<H: Kind>(&self, frag: &Frag<H>, range: Range<u32>) -> bool {
        let own = self.owns(frag.borrow());
        if own {
            let word = frag.borrow().as_raw().as_ptr().cast();
            // SAFETY: the memory is this pool's, and the range is inside it; the device has completed it.
            unsafe {
                ffi::netmem_rs_sync_for_cpu(self.pool.as_ptr(), word, frag.offset() + range.start, range.len() as u32);
            }
        }
        own
    }

    fn sync_for_device<H: Kind>(&self, frag: &Frag<H>) -> bool {
        let own = self.owns(frag.borrow());
        if own {
            let word = frag.borrow().as_raw().as_ptr().cast();
            // SAFETY: the memory is this pool's, and the frag is exclusive.
            unsafe { ffi::netmem_rs_sync_for_device(self.pool.as_ptr(), word, frag.offset(), frag.len()) }
        }
        own
    }

    fn set_nid(&mut self, nid: i32) {
        // SAFETY: the pool lives, and `&mut Pool` is its consumer.
        unsafe { ffi::netmem_rs_pool_nid_changed(self.pool.as_ptr(), nid) }
    }

    fn link(&mut self, napi: <Host as Backend>::Napi) {
        if let Some(napi) = napi.0 {
            // SAFETY: the pool lives; the NAPI does by the invariant of its type, and it polls on behalf of the new owner.
            unsafe { ffi::page_pool_enable_direct_recycling(self.pool.as_ptr(), napi.as_ptr()) }
        }
    }

    fn unlink(&mut self) {
        // SAFETY: the pool lives. The call does nothing for a pool without a NAPI.
        unsafe { ffi::page_pool_disable_direct_recycling(self.pool.as_ptr()) }
    }

    fn id(&self) -> PoolId {
        PoolId::new(self.pool.cast())
    }

    fn user_id(&self) -> u32 {
        // SAFETY: the pool lives.
        unsafe { ffi::netmem_rs_pool_id(self.pool.as_ptr()) }
    }

    fn provider(&self) -> &AnyProvider {
        &self.provider
    }

    #[inline]
    fn piece_size(&self) -> u32 {
        self.piece_size
    }

    fn direction(&self) -> DmaDirection {
        self.direction
    }

    fn is_mapped_for(&self, device: DeviceId) -> bool {
        self.device == Some(device)
    }

    fn stats(&self) -> Stats {
        let mut stats = ffi::PoolStats::default();
        // SAFETY: the pool lives, and the pointer is to a local variable.
        unsafe { ffi::netmem_rs_pool_stats(self.pool.as_ptr(), &mut stats) };
        Stats {
            alloc_fast: stats.alloc_fast,
            alloc_slow: stats.alloc_slow,
            alloc_slow_high_order: stats.alloc_slow_high_order,
            alloc_empty: stats.alloc_empty,
            alloc_refill: stats.alloc_refill,
            alloc_waive: stats.alloc_waive,
            recycle_cached: stats.recycle_cached,
            recycle_cache_full: stats.recycle_cache_full,
            recycle_ring: stats.recycle_ring,
            recycle_ring_full: stats.recycle_ring_full,
            recycle_released_refcnt: stats.recycle_released_refcnt,
        }
    }

    fn inflight(&self) -> usize {
        // SAFETY: the pool lives.
        unsafe { ffi::netmem_rs_pool_inflight(self.pool.as_ptr()) }
    }

    /// The kernel does not tell its cache and ring apart from the rest: this is all that the pool has.
    fn in_use(&self) -> usize {
        self.inflight()
    }
}

impl<K: PoolKind> Drop for Pool<K> {
    fn drop(&mut self) {
        // SAFETY: one of the pool's users is this value, which is gone after this. Memory in flight keeps the pool for the kernel.
        unsafe { ffi::page_pool_destroy(self.pool.as_ptr()) }
    }
}

/// Keeps a pool's memory mapped: the kernel destroys the pool when its last user is gone, and this is one of them.
///
/// # Invariants
///
/// One of the pool's `user_cnt` is this value's. `writable` is what the pool says of itself; it does not change.
pub(crate) struct PoolMapping {
    pool: NonNull<ffi::PagePool>,
    writable: Range<u32>,
}

// SAFETY: the users of a pool are counted by an atomic, for any CPU.
unsafe impl Send for PoolMapping {}
// SAFETY: `&PoolMapping` reads fields that do not change.
unsafe impl Sync for PoolMapping {}

impl Mapping for PoolMapping {
    fn of<K: Kind>(frag: &Frag<K>, device: DeviceId) -> Option<Self> {
        let pool = NonNull::new(pool_of(frag.borrow()))?;
        // SAFETY: the frag's reference keeps the pool.
        let mapped = unsafe { ffi::netmem_rs_pool_device(pool.as_ptr()) };
        if !ptr::addr_eq(mapped, device.as_ptr()) {
            return None;
        }
        // SAFETY: as above.
        if !unsafe { ffi::netmem_rs_pool_hold(pool.as_ptr()) } {
            return None;
        }
        let (mut offset, mut len) = (0, 0);
        // SAFETY: the pool has one more user, so it lives; the pointers are to local variables.
        unsafe { ffi::netmem_rs_pool_range(pool.as_ptr(), &mut offset, &mut len) };
        // INVARIANT: the call returned true, so the new value is one of the pool's users.
        Some(PoolMapping { pool, writable: offset..offset.saturating_add(len) })
    }

    #[inline]
    fn is_of<K: Kind>(&self, frag: &Frag<K>) -> bool {
        pool_of(frag.borrow()) == self.pool.as_ptr()
    }

    /// This value is a user of the pool, so the kernel neither destroys it nor unmaps its memory, whatever its first owner did.
    #[inline]
    fn has_owner(&self) -> bool {
        true
    }

    #[inline]
    fn writable(&self) -> Range<u32> {
        self.writable.clone()
    }
}

impl Drop for PoolMapping {
    fn drop(&mut self) {
        // SAFETY: one of the pool's users is this value, which is gone after this.
        unsafe { ffi::page_pool_destroy(self.pool.as_ptr()) }
    }
}
