//! [`Batch`]: many handles that move together.

use super::Netmem;
use crate::assert::assert_not_impl_any;
use crate::backend::{Backend, Host};
use crate::memory::{Kind, NetIov, Page, PageOrIov};
use crate::stack::Stack;
use core::fmt;

pub(crate) const BATCH: usize = 64;

/// Handles that move together.
pub(crate) type Handles<K> = Stack<Netmem<K>, BATCH>;

/// Up to [`LEN`](Self::LEN) owned references that are allocated, recycled or put together.
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
pub struct Batch<K: Kind = PageOrIov> {
    handles: Handles<K>,
}

assert_not_impl_any!(Batch: Clone, Copy, core::ops::Deref, AsRef<[Netmem]>, Into<Batch<Page>>, Into<Batch<NetIov>>);

impl Batch {
    /// How many handles a batch holds.
    #[doc(alias = "XDP_BULK_QUEUE_SIZE")]
    pub const LEN: usize = BATCH;
}

impl<K: Kind> Batch<K> {
    /// An empty batch.
    pub const fn new() -> Self {
        Batch { handles: Stack::new() }
    }

    /// How many handles are in it.
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many more it holds.
    pub fn room(&self) -> usize {
        self.handles.room()
    }

    /// Adds a handle.
    ///
    /// # Errors
    ///
    /// The handle, when the batch is full.
    #[inline]
    pub fn push(&mut self, memory: Netmem<K>) -> Result<(), Netmem<K>> {
        self.handles.try_push(memory)
    }

    /// Takes the handle out that was added last.
    #[inline]
    pub fn pop(&mut self) -> Option<Netmem<K>> {
        self.handles.pop()
    }

    /// Puts a handle, sooner or later: when 64 have been collected, at the next [`flush`](Self::flush), or when the batch
    /// is dropped.
    #[inline]
    #[doc(alias = "xdp_return_frame_bulk")]
    pub fn put(&mut self, memory: Netmem<K>) {
        if self.handles.room() == 0 {
            self.flush();
        }
        self.handles.push(memory);
    }

    /// Puts all that are in it: each into the ring of its own pool, out of the pool if the ring is full or closed or the
    /// memory may not stay.
    #[doc(alias = "page_pool_put_netmem_bulk")]
    #[doc(alias = "page_pool_put_page_bulk")]
    #[doc(alias = "xdp_flush_frame_bulk")]
    pub fn flush(&mut self) {
        Host::put_bulk(&mut self.handles);
    }

    /// Returns the handles, for the pool.
    pub(super) fn handles(&mut self) -> &mut Handles<K> {
        &mut self.handles
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
        write!(f, "Batch<{}>({} of {BATCH})", K::NAME, self.len())
    }
}
