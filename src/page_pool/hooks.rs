//! [`PoolHooks`]: who wants to know what a pool does.

use crate::alloc::Arc;
use crate::memory::{NetmemRef, PoolId};

/// Called at the four trace points of Linux's page pool. Each does nothing unless it is written.
///
/// They run on the slow path: when memory enters a pool or leaves it, not when it goes round. The pool holds no lock
/// meanwhile, but the piece of memory waits, on whatever thread let it go: do not block. A hook that panics leaks the
/// piece, and with it the pool.
///
/// ```
/// use netmem::page_pool::{PagePool, PagePoolParams, PoolHooks};
/// use netmem::{NetmemRef, mm::Zone, page_pool::PoolId, provider::PageProvider, Page};
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering::Relaxed}};
///
/// #[derive(Default)]
/// struct Count(AtomicU32);
/// impl PoolHooks for Count {
///     fn state_hold(&self, _pool: PoolId, _memory: NetmemRef<'_>, held: u32) {
///         self.0.store(held, Relaxed);
///     }
/// }
///
/// let count = Arc::new(Count::default());
/// let params = PagePoolParams { hooks: Some(count.clone()), ..Default::default() };
/// let mut pool = PagePool::<Page>::new(params, PageProvider::new(Zone::new(8)?))?;
/// let _memory = pool.alloc().expect("8 pages are free");
/// assert_eq!(count.0.load(Relaxed), 8); // a refill takes what it gets
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait PoolHooks: Send + Sync {
    /// `memory` has become the pool's; it is the `held`th piece that ever did.
    #[doc(alias = "page_pool_state_hold")]
    #[doc(alias = "trace_page_pool_state_hold")]
    fn state_hold(&self, pool: PoolId, memory: NetmemRef<'_>, held: u32) {
        let _ = (pool, memory, held);
    }

    /// `memory` is about to leave the pool, and is still mapped unless the pool was dropped before; it is the `released`th piece to do so. When several threads
    /// let memory go at once, two may say the same number.
    #[doc(alias = "page_pool_state_release")]
    #[doc(alias = "trace_page_pool_state_release")]
    fn state_release(&self, pool: PoolId, memory: NetmemRef<'_>, released: u32) {
        let _ = (pool, memory, released);
    }

    /// The pool's owner has let it go with `inflight` pieces out; or the last of these has come back, and `inflight` is
    /// 0. (Linux reports each time that it looks, once a second.)
    #[doc(alias = "page_pool_release")]
    #[doc(alias = "trace_page_pool_release")]
    fn release(&self, pool: PoolId, inflight: i32, held: u32, released: u32) {
        let _ = (pool, inflight, held, released);
    }

    /// The pool wants memory of NUMA node `nid` from now on.
    #[doc(alias = "page_pool_update_nid")]
    #[doc(alias = "trace_page_pool_update_nid")]
    fn update_nid(&self, pool: PoolId, nid: i32) {
        let _ = (pool, nid);
    }
}

/// Prepares a piece of memory when it becomes a pool's, once: gets the handle, and the bytes if the CPU can reach them.
///
/// It must not block, and should it panic, the piece leaks.
pub type InitCallback = Arc<dyn Fn(NetmemRef<'_>, Option<&mut [u8]>) + Send + Sync>;
