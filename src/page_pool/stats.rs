//! [`Stats`]: what a pool has counted.

/// The eleven counters of a pool: `struct page_pool_stats`, names and meaning those of Linux.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Allocations served from the cache.
    pub alloc_fast: u64,
    /// Times the page allocator was asked, order 0: once a batch. Other providers are not counted.
    pub alloc_slow: u64,
    /// The same for higher orders: once a page.
    pub alloc_slow_high_order: u64,
    /// Times the ring was empty when the cache was.
    pub alloc_empty: u64,
    /// Times the cache was filled from the ring: once a batch.
    pub alloc_refill: u64,
    /// Pages from the ring that were not kept because of their NUMA node.
    pub alloc_waive: u64,
    /// Handles recycled into the cache.
    pub recycle_cached: u64,
    /// Times the cache had no room for one.
    pub recycle_cache_full: u64,
    /// Handles recycled into the ring.
    pub recycle_ring: u64,
    /// Times the ring had no room for one.
    pub recycle_ring_full: u64,
    /// Pages that left the pool because mm held more references, or wants them back.
    pub recycle_released_refcnt: u64,
}

impl Stats {
    /// How many counters there are.
    #[doc(alias = "page_pool_ethtool_stats_get_count")]
    pub const COUNT: usize = 11;

    /// The counters with the names that ethtool shows, in Linux's order.
    #[doc(alias = "page_pool_ethtool_stats_get")]
    #[doc(alias = "page_pool_ethtool_stats_get_strings")]
    pub fn named(&self) -> [(&'static str, u64); Self::COUNT] {
        [
            ("rx_pp_alloc_fast", self.alloc_fast),
            ("rx_pp_alloc_slow", self.alloc_slow),
            ("rx_pp_alloc_slow_ho", self.alloc_slow_high_order),
            ("rx_pp_alloc_empty", self.alloc_empty),
            ("rx_pp_alloc_refill", self.alloc_refill),
            ("rx_pp_alloc_waive", self.alloc_waive),
            ("rx_pp_recycle_cached", self.recycle_cached),
            ("rx_pp_recycle_cache_full", self.recycle_cache_full),
            ("rx_pp_recycle_ring", self.recycle_ring),
            ("rx_pp_recycle_ring_full", self.recycle_ring_full),
            ("rx_pp_recycle_released_ref", self.recycle_released_refcnt),
        ]
    }
}

impl core::ops::AddAssign for Stats {
    /// Sums the counters of several pools.
    fn add_assign(&mut self, other: Stats) {
        let Stats {
            alloc_fast,
            alloc_slow,
            alloc_slow_high_order,
            alloc_empty,
            alloc_refill,
            alloc_waive,
            recycle_cached,
            recycle_cache_full,
            recycle_ring,
            recycle_ring_full,
            recycle_released_refcnt,
        } = other;
        self.alloc_fast += alloc_fast;
        self.alloc_slow += alloc_slow;
        self.alloc_slow_high_order += alloc_slow_high_order;
        self.alloc_empty += alloc_empty;
        self.alloc_refill += alloc_refill;
        self.alloc_waive += alloc_waive;
        self.recycle_cached += recycle_cached;
        self.recycle_cache_full += recycle_cache_full;
        self.recycle_ring += recycle_ring;
        self.recycle_ring_full += recycle_ring_full;
        self.recycle_released_refcnt += recycle_released_refcnt;
    }
}
