//! [`Batch`]: many handles that move together.

use super::Netmem;
use super::shared::Shared;
use crate::assert::assert_not_impl_any;
use crate::memory::{Kind, NetIov, Page, PageOrIov, Raw};
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;

/// How many handles a [`Batch`] holds.
pub const BATCH: usize = 64;

/// Up to [`BATCH`] owned references that are allocated, recycled or put together.
///
/// With the pool in hand, [`PagePool::alloc_bulk`](super::PagePool::alloc_bulk) fills one and
/// [`PagePool::recycle_bulk`](super::PagePool::recycle_bulk) empties it. Without, [`put`](Self::put) collects handles and
/// returns them 64 at a time, from any thread: what is of one pool goes into its ring with one reservation instead of
/// 64. Dropping a batch puts what is in it.
///
/// ```
/// # use netmem::{mm::Zone, page_pool::{Batch, PagePool, PagePoolParams}, provider::PageProvider, Page};
/// # let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(Zone::new(256)?))?;
/// let mut batch = Batch::new();
/// assert_eq!(pool.alloc_bulk(&mut batch), 64);
/// std::thread::spawn(move || {
///     let mut done = Batch::new();
///     while let Some(memory) = batch.pop() {
///         done.put(memory); // transmitted, say
///     }
/// }).join().unwrap();
/// assert_eq!(pool.stats().recycle_ring, 64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// `words[..len]` are initialised, and each is a reference as [`Netmem`] has one.
pub struct Batch<K: Kind = PageOrIov> {
    len: usize,
    words: [MaybeUninit<Raw>; BATCH],
    _kind: PhantomData<K>,
}

assert_not_impl_any!(Batch: Clone, Copy, core::ops::Deref, AsRef<[Netmem]>, Into<Batch<Page>>, Into<Batch<NetIov>>);

// SAFETY: as for `Netmem`.
unsafe impl<K: Kind> Send for Batch<K> {}
// SAFETY: as for `Netmem`.
unsafe impl<K: Kind> Sync for Batch<K> {}

impl<K: Kind> Batch<K> {
    /// An empty batch.
    pub const fn new() -> Self {
        Batch { len: 0, words: [MaybeUninit::uninit(); BATCH], _kind: PhantomData }
    }

    /// How many handles are in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many more it holds.
    pub fn room(&self) -> usize {
        BATCH - self.len
    }

    /// Adds a handle.
    ///
    /// # Errors
    ///
    /// The handle, when the batch is full.
    #[inline]
    pub fn push(&mut self, memory: Netmem<K>) -> Result<(), Netmem<K>> {
        let Some(slot) = self.words.get_mut(self.len) else { return Err(memory) };
        // INVARIANT: the handle's reference is the batch's now.
        slot.write(memory.into_word());
        self.len += 1;
        Ok(())
    }

    /// Takes the handle out that was added last.
    #[inline]
    pub fn pop(&mut self) -> Option<Netmem<K>> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: by the invariant it is initialised; nobody looks at it again.
        let raw = unsafe { self.words[self.len].assume_init() };
        // SAFETY: by the invariant it is a reference of kind `K`, and now this handle's.
        Some(unsafe { Netmem::new(raw) })
    }

    /// Puts a handle, sooner or later: when 64 have been collected, at the next [`flush`](Self::flush), or when the batch
    /// is dropped.
    #[inline]
    #[doc(alias = "xdp_return_frame_bulk")]
    pub fn put(&mut self, memory: Netmem<K>) {
        if self.len == BATCH {
            self.flush();
        }
        // There is room now.
        drop(self.push(memory));
    }

    /// Puts all that are in it: each into the ring of its own pool, out of the pool if the ring is full or closed or the
    /// memory may not stay.
    #[doc(alias = "page_pool_put_netmem_bulk")]
    #[doc(alias = "page_pool_put_page_bulk")]
    #[doc(alias = "xdp_flush_frame_bulk")]
    pub fn flush(&mut self) {
        // SAFETY: by the invariant they are references of kind `K`, and the batch has them no more.
        unsafe { Shared::put_bulk::<K>(self.take()) }
    }

    /// Gives up what is in it.
    pub(super) fn take(&mut self) -> &mut [MaybeUninit<Raw>] {
        // INVARIANT: the caller has them now.
        let len = core::mem::take(&mut self.len);
        &mut self.words[..len]
    }

    /// Where more can be written.
    pub(super) fn spare(&mut self) -> &mut [MaybeUninit<Raw>] {
        &mut self.words[self.len..]
    }

    /// More was written.
    ///
    /// # Safety
    ///
    /// The first `count` of [`spare`](Self::spare) have been written, and are references of kind `K` for this batch.
    pub(super) unsafe fn grow(&mut self, count: usize) {
        // INVARIANT: the caller promises what the type demands.
        self.len += count;
    }
}

impl<K: Kind> Default for Batch<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Kind> Drop for Batch<K> {
    fn drop(&mut self) {
        self.flush();
    }
}

impl<K: Kind> fmt::Debug for Batch<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch<{}>({} of {BATCH})", K::NAME, self.len)
    }
}
