//! [`SystemPools`]: a pool for each CPU, for whoever has none of its own.

use crate::alloc::Vec;
use crate::assert::assert_not_impl_any;
use crate::memory::Page;
use crate::page_pool::PagePool;
use core::fmt;

/// A pool of pages for each CPU: `system_page_pool`.
///
/// Linux has it for packets that no driver's pool is behind, such as those of generic XDP. There its user runs with
/// bottom halves off, and nothing says so in a type. Here the pool is lent, as `&mut`, to one at a time.
///
/// ```
/// use netmem::{mm::Zone, netdev::SystemPools, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Page};
///
/// let provider = PageProvider::new(Zone::new(64)?);
/// let pools = SystemPools::new(2, |_cpu| PagePool::<Page>::new(PagePoolParams::default(), provider.clone()))?;
/// let frag = pools.with(1, |pool| {
///     assert!(pools.with(1, |_| ()).is_none(), "it is in use");
///     assert!(pools.with(0, |_| ()).is_some(), "the other CPU's is not");
///     pool.alloc_frag(1024)
/// });
/// assert!(frag.flatten().is_some());
/// assert!(pools.with(2, |_| ()).is_none(), "there is no such CPU");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SystemPools {
    pools: Vec<spin::Mutex<PagePool<Page>>>,
}

assert_not_impl_any!(SystemPools: Clone, Copy);

impl SystemPools {
    /// Makes a pool for each of `cpus` CPUs, numbered from 0.
    ///
    /// # Errors
    ///
    /// What `make` says of the first pool that it could not make; those made before are dropped.
    #[doc(alias = "page_pool_create_percpu")]
    pub fn new<E>(cpus: usize, mut make: impl FnMut(usize) -> Result<PagePool<Page>, E>) -> Result<Self, E> {
        let pools = (0..cpus).map(|cpu| make(cpu).map(spin::Mutex::new)).collect::<Result<_, _>>()?;
        Ok(SystemPools { pools })
    }

    /// How many CPUs have one.
    pub fn cpus(&self) -> usize {
        self.pools.len()
    }

    /// Lends the pool of a CPU for the length of `f`. `None` when there is no such CPU, or its pool is lent already: to
    /// another thread, or to the very one that asks (an interrupt in the middle of `f`, say). It never waits, and so
    /// never deadlocks.
    pub fn with<R>(&self, cpu: usize, f: impl FnOnce(&mut PagePool<Page>) -> R) -> Option<R> {
        let mut pool = self.pools.get(cpu)?.try_lock()?;
        Some(f(&mut pool))
    }
}

impl fmt::Debug for SystemPools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemPools").field("cpus", &self.cpus()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::Zone;
    use crate::page_pool::PagePoolParams;
    use crate::provider::PageProvider;

    #[test]
    fn two_threads_never_have_the_same_pool() {
        let zone = Zone::new(64).unwrap();
        let provider = PageProvider::new(zone.clone());
        let pools =
            SystemPools::new(1, |_| PagePool::<Page>::new(PagePoolParams::default(), provider.clone())).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut done = 0;
                    while done < 1000 {
                        // Handles may be dropped anywhere: by the thread that has not the pool, too.
                        done += usize::from(pools.with(0, |pool| pool.alloc_frag(100)).flatten().is_some());
                    }
                });
            }
        });
        assert_eq!(pools.with(0, |pool| pool.in_use()), Some(0));
        drop(pools);
        assert_eq!(zone.free_frames(), 64);
    }
}
