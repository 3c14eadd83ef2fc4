//! [`Shutdown`]: a look at a pool that its owner has dropped.

use super::shared::Shared;
use crate::assert::assert_not_impl_any;
use crate::page_pool::{PagePool, PoolKind};
use core::fmt;
use core::ptr::NonNull;
use core::time::Duration;

/// A pool that is shutting down: who holds this can see whether memory is still out.
///
/// It keeps the pool's counters, and with them its ring, its provider and its device, whose [`destroy`] and drop wait for
/// it; of the memory it keeps nothing. Nobody needs to look: without it the last handle ends the pool just the
/// same. Linux looks once a second, and warns once a minute.
///
/// ```
/// use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Page};
/// use std::time::Duration;
///
/// let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(Zone::new(64)?))?;
/// let lost = pool.alloc().expect("64 pages are free");
/// let shutdown = pool.shutdown(Duration::from_secs(100));
/// let stalled = shutdown.check(Duration::from_secs(161)).expect_err("one piece is out");
/// assert_eq!((stalled.inflight, stalled.since.as_secs()), (1, 61));
/// drop(lost);
/// assert_eq!(shutdown.check(Duration::from_secs(162)), Ok(()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`destroy`]: crate::page_pool::MemoryProvider::destroy
///
pub struct Shutdown {
    ended: Ended,
    began: Duration,
}

assert_not_impl_any!(Shutdown: Clone, Copy, Default);

/// An observer's part of a pool.
///
/// # Invariants
///
/// One of the parts of `shared` is this value's.
pub(super) struct Ended {
    shared: NonNull<Shared>,
}

// SAFETY: the pointer is to the shared part, which is `Sync`, and this value keeps it.
unsafe impl Send for Ended {}
// SAFETY: `&Ended` reads counters.
unsafe impl Sync for Ended {}

impl Ended {
    /// Takes an observer's part.
    ///
    /// # Safety
    ///
    /// The type's invariant holds.
    pub(super) unsafe fn new(shared: NonNull<Shared>) -> Self {
        // INVARIANT: the caller promises what the type demands.
        Ended { shared }
    }

    fn shared(&self) -> &Shared {
        // SAFETY: by the invariant a part of it is this value's.
        unsafe { self.shared.as_ref() }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // SAFETY: by the invariant a part is this value's, and nothing touches the pool after this.
        unsafe { Shared::unobserve(self.shared) }
    }
}

impl<K: PoolKind> PagePool<K> {
    /// Ends the pool as dropping it does, and gives a look at what is still out. `now` is the time of any clock.
    #[doc(alias = "page_pool_destroy")]
    pub fn shutdown(self, now: Duration) -> Shutdown {
        Shutdown { ended: self.into_pool().into_ended(), began: now }
    }
}

/// Memory of a pool is out long after its owner has let it go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stalled shutdown of page pool {pool}: {inflight} pieces in flight after {} s; look for who keeps handles on them", since.as_secs())]
pub struct Stalled {
    /// Which pool: its [`user_id`](PagePool::user_id).
    pub pool: u32,
    /// How many pieces of its memory are out.
    pub inflight: usize,
    /// For how long it has been shutting down.
    pub since: Duration,
}

impl Shutdown {
    /// Which pool: its [`user_id`](PagePool::user_id).
    pub fn pool(&self) -> u32 {
        self.ended.shared().number
    }

    /// How many pieces of its memory are out. It only gets less.
    pub fn inflight(&self) -> usize {
        self.ended.shared().inflight_after()
    }

    /// Whether all of it has come back.
    pub fn is_done(&self) -> bool {
        self.inflight() == 0
    }

    /// Looks, at `now` by the clock whose time [`shutdown`](PagePool::shutdown) was told.
    ///
    /// # Errors
    ///
    /// [`Stalled`], when memory is out: which pool, how much, since when. Whether that is long is the caller's to say.
    pub fn check(&self, now: Duration) -> Result<(), Stalled> {
        match self.inflight() {
            0 => Ok(()),
            inflight => Err(Stalled { pool: self.pool(), inflight, since: now.saturating_sub(self.began) }),
        }
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shutdown(pool {}, {} pieces in flight)", self.pool(), self.inflight())
    }
}
