//! What a pool counts, step by step, against net/core/page_pool.c of Linux 7.3.
//!
//! Each scenario carries the trace that Linux's rules give, worked by hand: which counter each step moves. All eleven are
//! compared at its end, with what the pool has from its provider (`inflight`) and how much of that is in cache and ring
//! (`idle`). Where this crate differs on purpose, the scenario says so.

mod pools;

use netmem::dma::DmaDevice;
use netmem::mm::{Zone, get_page, put_page};
use netmem::page_pool::{Batch, CACHE, InitCallback, PagePoolParams, Stats};
use netmem::provider::PageProvider;
use netmem::{NetIov, Netmem, Page, PagePool};
use pools::{Bank, Iovs, Watched, expect};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// A pool over `frames` pages, without a device.
fn plain(frames: usize, pool_size: u32) -> (Zone, PagePool<Page>) {
    let zone = Zone::new(frames).unwrap();
    let params = PagePoolParams { pool_size, ..Default::default() };
    let pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
    (zone, pool)
}

fn alloc(pool: &mut PagePool<Page>, count: usize) -> Vec<Netmem<Page>> {
    (0..count).map(|_| pool.alloc().unwrap()).collect()
}

/// Puts `count` of them from another thread.
fn put(handles: &mut Vec<Netmem<Page>>, count: usize) {
    let put: Vec<_> = handles.drain(..count).collect();
    std::thread::spawn(move || drop(put)).join().unwrap();
}

/// alloc: cache and ring are empty (empty 1), 64 pages come in one go (slow 1), one of them goes out.
#[test]
fn the_first_page() {
    let (_zone, mut pool) = plain(256, 8);
    let _memory = pool.alloc().unwrap();
    expect(&pool, Stats { alloc_empty: 1, alloc_slow: 1, ..Default::default() }, 64, 63);
}

/// 1: empty 1, slow 1. 2 to 64: from the cache (fast 63). 65: empty 2, slow 2. 66: fast 64.
#[test]
fn slow_counts_once_a_batch() {
    let (_zone, mut pool) = plain(256, 8);
    let _held = alloc(&mut pool, 66);
    expect(&pool, Stats { alloc_empty: 2, alloc_slow: 2, alloc_fast: 64, ..Default::default() }, 128, 62);
}

/// 10 pages are free. 1: empty 1, slow 1, although not 64 came. 2 to 10: fast 9. 11 and 12: empty 3, and no slow, as no
/// page came.
#[test]
fn an_allocation_that_fails_is_not_slow() {
    let (zone, mut pool) = plain(10, 8);
    let _held = alloc(&mut pool, 10);
    assert!(pool.alloc().is_none() && pool.alloc().is_none());
    expect(&pool, Stats { alloc_empty: 3, alloc_slow: 1, alloc_fast: 9, ..Default::default() }, 10, 0);
    assert_eq!(zone.free_frames(), 0);
}

/// Order 2 is not allocated in bulk. 1 and 2: empty 2, slow_high_order 2. Direct recycle of one: cached 1. 3: fast 1.
/// 4: empty 3, slow_high_order 3. 5: no block is left: empty 4.
#[test]
fn higher_orders_come_one_by_one() {
    let zone = Zone::new(12).unwrap();
    let params = PagePoolParams { order: 2, ..Default::default() };
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
    let mut held = alloc(&mut pool, 2);
    pool.recycle_direct(held.pop().unwrap());
    held.extend(alloc(&mut pool, 2));
    assert!(pool.alloc().is_none());
    let stats =
        Stats { alloc_empty: 4, alloc_slow_high_order: 3, alloc_fast: 1, recycle_cached: 1, ..Default::default() };
    expect(&pool, stats, 3, 0);
    assert_eq!(zone.free_frames(), 0);
}

/// alloc 2: empty 1, slow 1, fast 1. Direct recycle of both: cached 2. alloc 2: fast 3, and last in comes first out.
#[test]
fn direct_recycling_goes_into_the_cache() {
    let (_zone, mut pool) = plain(64, 8);
    let held = alloc(&mut pool, 2);
    let words: Vec<_> = held.iter().map(|memory| memory.as_ref().into_raw()).collect();
    held.into_iter().for_each(|memory| pool.recycle_direct(memory));
    let again = alloc(&mut pool, 2);
    assert!(words.iter().rev().eq(&again.iter().map(|memory| memory.as_ref().into_raw()).collect::<Vec<_>>()));
    let stats = Stats { alloc_empty: 1, alloc_slow: 1, alloc_fast: 3, recycle_cached: 2, ..Default::default() };
    expect(&pool, stats, 64, 62);
}

/// alloc 192: empty 3, slow 3, fast 189, cache empty. Direct recycle of 131: cached 128, then the cache is full and the
/// page goes to the ring (cache_full 3, ring 3).
#[test]
fn what_the_cache_cannot_take_goes_into_the_ring() {
    let (_zone, mut pool) = plain(256, 8);
    let mut held = alloc(&mut pool, 192);
    held.drain(..CACHE + 3).for_each(|memory| pool.recycle_direct(memory));
    let stats = Stats {
        alloc_empty: 3,
        alloc_slow: 3,
        alloc_fast: 189,
        recycle_cached: 128,
        recycle_cache_full: 3,
        recycle_ring: 3,
        ..Default::default()
    };
    expect(&pool, stats, 192, 131);
}

/// The same with a ring of one: cached 128, cache_full 3, ring 1; the other two find the ring full as well (ring_full 2)
/// and leave the pool.
#[test]
fn what_the_ring_cannot_take_leaves_the_pool() {
    let (zone, mut pool) = plain(192, 1);
    let mut held = alloc(&mut pool, 192);
    held.drain(..CACHE + 3).for_each(|memory| pool.recycle_direct(memory));
    let stats = Stats {
        alloc_empty: 3,
        alloc_slow: 3,
        alloc_fast: 189,
        recycle_cached: 128,
        recycle_cache_full: 3,
        recycle_ring: 1,
        recycle_ring_full: 2,
        ..Default::default()
    };
    expect(&pool, stats, 190, 129);
    assert_eq!(zone.free_frames(), 2);
}

/// alloc 128: empty 2, slow 2, fast 126. Put of 100 from another thread: ring 100. alloc 1: the cache is empty and the
/// ring is not: 64 move over (refill 1, not empty). alloc 63: fast 189. alloc 1: the other 36 (refill 2). alloc 35: fast
/// 224. alloc 1: empty 3, slow 3.
#[test]
fn refill_counts_once_a_batch() {
    let (_zone, mut pool) = plain(256, 128);
    let mut held = alloc(&mut pool, 128);
    put(&mut held, 100);
    held.extend(alloc(&mut pool, 101));
    let stats = Stats {
        alloc_empty: 3,
        alloc_slow: 3,
        alloc_refill: 2,
        alloc_fast: 224,
        recycle_ring: 100,
        ..Default::default()
    };
    expect(&pool, stats, 192, 63);
}

/// A ring is first in, first out; a refill fills the cache from the bottom, so that the 64th page out of the ring is
/// the first to be allocated.
#[test]
fn a_refill_turns_64_around() {
    let (_zone, mut pool) = plain(64, 128);
    let mut held = alloc(&mut pool, 64);
    let words: Vec<_> = held.iter().map(|memory| memory.as_ref().into_raw()).collect();
    put(&mut held, 64);
    let again = alloc(&mut pool, 64);
    assert!(words.iter().rev().eq(&again.iter().map(|memory| memory.as_ref().into_raw()).collect::<Vec<_>>()));
    let stats = Stats {
        alloc_empty: 1,
        alloc_slow: 1,
        alloc_refill: 1,
        alloc_fast: 126,
        recycle_ring: 64,
        ..Default::default()
    };
    expect(&pool, stats, 64, 0);
}

/// pool_size 0 is a ring of 1024. alloc 1027: 17 batches (empty 17, slow 17, fast 1010). Put of all: ring 1024,
/// ring_full 3.
#[test]
fn a_ring_of_0_is_one_of_1024() {
    let (zone, mut pool) = plain(1100, 0);
    let mut held = alloc(&mut pool, 1027);
    put(&mut held, 1027);
    let stats = Stats {
        alloc_empty: 17,
        alloc_slow: 17,
        alloc_fast: 1010,
        recycle_ring: 1024,
        recycle_ring_full: 3,
        ..Default::default()
    };
    // 16 batches of 64, and one of the 76 that were left.
    expect(&pool, stats, 17 * 64 - 3, 17 * 64 - 3);
    assert_eq!(zone.free_frames(), 1100 - 17 * 64 + 3);
}

/// A ring longer than 16384 is cut to that. alloc 16385: 257 batches (empty and slow 257, fast 16128), with a zone that
/// ends after them. Put of all: ring 16384, ring_full 1.
#[test]
fn a_ring_that_is_too_long_is_cut() {
    let (_zone, mut pool) = plain(257 * 64, 20000);
    let mut held = alloc(&mut pool, 16385);
    put(&mut held, 16385);
    let stats = Stats {
        alloc_empty: 257,
        alloc_slow: 257,
        alloc_fast: 16128,
        recycle_ring: 16384,
        recycle_ring_full: 1,
        ..Default::default()
    };
    expect(&pool, stats, 257 * 64 - 1, 257 * 64 - 1);
}

/// A ring of 5 takes 5, though its slots are 8. alloc 7: empty 1, slow 1, fast 6. Put of 7: ring 5, ring_full 2.
/// Of what is in it a refill makes room for as many: alloc 58 (57 from the cache: fast 63; then refill 1), put of 5:
/// ring 10.
///
/// (Linux frees the slots of a ring of 32 or more 16 at a time, so after a waive it may call such a ring full for 15
/// more. This ring frees each at once.)
#[test]
fn a_ring_is_as_long_as_it_was_asked_for() {
    let (_zone, mut pool) = plain(64, 5);
    let mut held = alloc(&mut pool, 7);
    put(&mut held, 7);
    held.extend(alloc(&mut pool, 58));
    put(&mut held, 5);
    let stats = Stats {
        alloc_empty: 1,
        alloc_slow: 1,
        alloc_refill: 1,
        alloc_fast: 63,
        recycle_ring: 10,
        recycle_ring_full: 2,
        ..Default::default()
    };
    expect(&pool, stats, 62, 9);
}

/// alloc 4: empty 1, slow 1, fast 3. Two have a reference of mm's beside the pool's. Their put, one directly and one
/// not, finds `_refcount` 2: released_refcnt 2, neither cached nor ring. The other two go to cache and ring.
#[test]
fn a_page_that_others_hold_leaves_and_is_counted() {
    let (zone, mut pool) = plain(64, 8);
    let mut held = alloc(&mut pool, 4);
    let extra: Vec<_> = held[..2].iter().map(|memory| get_page(memory.as_ref().page())).collect();
    pool.recycle_direct(held.remove(0));
    put(&mut held, 1);
    pool.recycle_direct(held.remove(0));
    put(&mut held, 1);
    let stats = Stats {
        alloc_empty: 1,
        alloc_slow: 1,
        alloc_fast: 3,
        recycle_cached: 1,
        recycle_ring: 1,
        recycle_released_refcnt: 2,
        ..Default::default()
    };
    expect(&pool, stats, 62, 62);
    assert_eq!(zone.free_frames(), 0, "mm has them");
    extra.into_iter().for_each(put_page);
    assert_eq!(zone.free_frames(), 2);
}

/// The last 5 of 8 frames are the reserve, so that pages of them are pfmemalloc. alloc 8: empty 1, slow 1, fast 7, last in
/// first out: 5 of the reserve, then 3 others. Put or recycled: each of
/// the reserve leaves (released_refcnt 5), whichever way; the others stay (cached 2, ring 1).
#[test]
fn a_page_of_the_reserve_leaves_and_is_counted() {
    let (zone, mut pool) = plain(8, 8);
    zone.set_reserve(5);
    let mut held = alloc(&mut pool, 8);
    pool.recycle_direct(held.remove(0));
    put(&mut held, 4);
    pool.recycle_direct(held.remove(0));
    pool.recycle_direct(held.remove(0));
    put(&mut held, 1);
    let stats = Stats {
        alloc_empty: 1,
        alloc_slow: 1,
        alloc_fast: 7,
        recycle_cached: 2,
        recycle_ring: 1,
        recycle_released_refcnt: 5,
        ..Default::default()
    };
    expect(&pool, stats, 3, 3);
    assert_eq!(zone.free_frames(), 5);
}

/// A page with three references: the first two puts count nothing, whichever way they go; the third: ring 1. The same
/// with the third direct: cached 1.
#[test]
fn only_the_last_reference_counts() {
    let (_zone, mut pool) = plain(64, 8);
    for direct in [false, true] {
        let first = pool.alloc().unwrap();
        let (second, third) = (first.get(), first.get());
        drop(first);
        pool.recycle_direct(second);
        if direct { pool.recycle_direct(third) } else { drop(third) }
    }
    let stats = Stats {
        alloc_empty: 1,
        alloc_slow: 1,
        alloc_fast: 1,
        recycle_cached: 1,
        recycle_ring: 1,
        ..Default::default()
    };
    expect(&pool, stats, 64, 64);
}

/// page_pool_fragment_page() with 100, of which one user takes one: dropping 99 with one subtraction counts nothing, the
/// user's put: ring 1. When the user puts first, the subtraction is the last: ring 2.
#[test]
fn a_bias_is_dropped_with_one_subtraction() {
    let (_zone, mut pool) = plain(64, 8);
    for user_first in [false, true] {
        let mut shares = pool.alloc().unwrap().share(100).unwrap();
        let user = shares.take().unwrap();
        if user_first {
            drop(user);
            drop(shares);
        } else {
            drop(shares);
            drop(user);
        }
    }
    let stats = Stats { alloc_empty: 1, alloc_slow: 1, alloc_fast: 1, recycle_ring: 2, ..Default::default() };
    expect(&pool, stats, 64, 64);
}

/// frag 1: empty 1, slow 1. frag 2, of the same page: nothing. frag 3 does not fit; the page is drained but has users, so
/// a fresh one comes: fast 1. Put of frag 1: nothing; of frag 2, the last: ring 1. The page of frag 3 is still cut from:
/// after the put of frag 3 it is neither in the cache nor in the ring.
#[test]
fn fragments_count_a_page_once() {
    let (_zone, mut pool) = plain(64, 8);
    let [first, second, third] = [(); 3].map(|()| pool.alloc_frag(2048).unwrap());
    assert_eq!([first.offset(), second.offset(), third.offset()], [0, 2048, 0]);
    drop(first);
    drop(second);
    let stats = Stats { alloc_empty: 1, alloc_slow: 1, alloc_fast: 1, recycle_ring: 1, ..Default::default() };
    expect(&pool, stats, 64, 63);
    drop(third);
    // What nobody has a fragment of counts as idle here; Linux has no such number.
    expect(&pool, stats, 64, 64);
}

/// frag 1 and its put: empty 1, slow 1, and the page stays, being cut. frag 2 does not fit; draining takes the last
/// references, so the same page is used from its start: cached 1 and fast 1, though it was in no cache.
#[test]
fn a_fragment_page_that_is_used_again_counts_cached_and_fast() {
    let (_zone, mut pool) = plain(64, 8);
    let first = pool.alloc_frag(3000).unwrap();
    let word = first.netmem().into_raw();
    drop(first);
    let second = pool.alloc_frag(2000).unwrap();
    assert_eq!((second.netmem().into_raw(), second.offset()), (word, 0));
    let stats = Stats { alloc_empty: 1, alloc_slow: 1, alloc_fast: 1, recycle_cached: 1, ..Default::default() };
    expect(&pool, stats, 64, 63);
}

/// The same, but mm holds the page: page_pool_drain_frag() returns it without counting released_refcnt, and a fresh one
/// comes: fast 1.
#[test]
fn a_fragment_page_that_others_hold_leaves_uncounted() {
    let (zone, mut pool) = plain(64, 8);
    let first = pool.alloc_frag(3000).unwrap();
    let extra = get_page(first.netmem().page());
    drop(first);
    let _second = pool.alloc_frag(2000).unwrap();
    let stats = Stats { alloc_empty: 1, alloc_slow: 1, alloc_fast: 1, ..Default::default() };
    expect(&pool, stats, 63, 62);
    put_page(extra);
    assert_eq!(zone.free_frames(), 1);
}

/// Two pages, both of the reserve. frag 1: empty 1, slow 1. frag 2: the drained page is pfmemalloc and leaves; the other
/// comes: fast 1. frag 3: that one leaves, too, cache and ring are empty (empty 2); the first page again: slow 2 (two
/// pages came, the second being the one that just left).
#[test]
fn a_fragment_page_of_the_reserve_is_not_used_again() {
    let (zone, mut pool) = plain(2, 8);
    zone.set_reserve(64);
    for _ in 0..3 {
        drop(pool.alloc_frag(4096).unwrap());
    }
    let stats = Stats { alloc_empty: 2, alloc_slow: 2, alloc_fast: 1, ..Default::default() };
    expect(&pool, stats, 2, 2);
    assert_eq!(zone.free_frames(), 0);
}

/// One page. frag 1: empty 1, slow 1. frag 2 does not fit, and no page comes: empty 2. The pool has let go of the page:
/// the put of frag 1 is the last: ring 1. frag 3: refill 1.
#[test]
fn a_fragment_that_fails_leaves_its_page_to_the_users() {
    let (_zone, mut pool) = plain(1, 8);
    let first = pool.alloc_frag(3000).unwrap();
    assert!(pool.alloc_frag(3000).is_none());
    assert_eq!(first.netmem().pp_ref_count(), 1);
    drop(first);
    let _third = pool.alloc_frag(64).unwrap();
    let stats = Stats { alloc_empty: 2, alloc_slow: 1, alloc_refill: 1, recycle_ring: 1, ..Default::default() };
    expect(&pool, stats, 1, 0);
}

/// page_pool_alloc() of 4096-byte pages. 2049: a whole page (empty 1, slow 1). 2048: a fragment (fast 1); 2048 more fit
/// behind it, so it gets no more. 1000 at 2048: nothing counted; another 1000 fit at 3072, but not behind that, so the
/// second 1000 gets what is left, 1024. 64: the page is drained and has users: fast 2.
#[test]
fn page_pool_alloc_gives_the_rest_away() {
    let (_zone, mut pool) = plain(64, 8);
    let frags: Vec<_> = [2049, 2048, 1000, 1000, 64].map(|size| pool.alloc_at_least(size).unwrap()).into();
    let told: Vec<_> = frags.iter().map(|frag| (frag.offset(), frag.len())).collect();
    assert_eq!(told, [(0, 4096), (0, 2048), (2048, 1000), (3072, 1024), (0, 64)]);
    expect(&pool, Stats { alloc_empty: 1, alloc_slow: 1, alloc_fast: 2, ..Default::default() }, 64, 61);
}

/// Device memory: the provider's allocations count in no slow counter. alloc 1: empty 1. alloc 3: fast 3. alloc: empty
/// 2, none left. Put: ring 1. alloc: refill 1. Direct: cached 1. alloc: fast 4. A net_iov always recycles.
#[test]
fn a_provider_of_net_iovs_is_never_slow() {
    let device = Watched::new(true);
    let iovs = Iovs::new(device.clone(), 4, true);
    let mut pool = PagePool::<NetIov>::new(PagePoolParams::for_device(device, 4096), iovs.clone()).unwrap();
    let mut held: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
    assert_eq!(held.len(), 4);
    drop(held.pop());
    held.push(pool.alloc().unwrap());
    pool.recycle_direct(held.pop().unwrap());
    held.push(pool.alloc().unwrap());
    let stats = Stats {
        alloc_empty: 2,
        alloc_refill: 1,
        alloc_fast: 4,
        recycle_cached: 1,
        recycle_ring: 1,
        ..Default::default()
    };
    expect(&pool, stats, 4, 0);
    drop((pool, held));
    assert_eq!(iovs.free(), 4);
}

/// A net_iov has no node: in a pool that prefers node 1 a refill keeps it. alloc 2: empty 1, fast 1. nid_changed(0):
/// both that are in the cache go back. Put of 2: ring 2. alloc: refill 1, waive 0.
#[test]
fn a_net_iov_is_never_waived() {
    let device = Watched::new(false);
    let iovs = Iovs::new(device.clone(), 4, false);
    let params = PagePoolParams { nid: Some(1), ..PagePoolParams::for_device(device, 4096) };
    let mut pool = PagePool::<NetIov>::new(params, iovs.clone()).unwrap();
    let held = [pool.alloc().unwrap(), pool.alloc().unwrap()];
    pool.nid_changed(0);
    assert_eq!(iovs.free(), 2);
    drop(held);
    let _memory = pool.alloc().unwrap();
    let stats = Stats { alloc_empty: 1, alloc_refill: 1, alloc_fast: 1, recycle_ring: 2, ..Default::default() };
    expect(&pool, stats, 2, 1);
}

/// Pages of pool 1 recycled by the owner of pool 2: page_pool_put_page() is given the page's pool, so pool 1 counts ring
/// 2 and pool 2 nothing. (In Linux the caller must name the right pool; here the handle knows.)
#[test]
fn a_page_is_counted_by_its_own_pool() {
    let (_zone, mut one) = plain(64, 8);
    let (_other_zone, mut two) = plain(64, 8);
    let mut held = alloc(&mut one, 2);
    two.recycle_direct(held.pop().unwrap());
    put(&mut held, 1);
    let stats = Stats { alloc_empty: 1, alloc_slow: 1, alloc_fast: 1, recycle_ring: 2, ..Default::default() };
    expect(&one, stats, 64, 64);
    expect(&two, Stats::default(), 0, 0);
}

/// Every second mapping fails. alloc: empty 1; of the 64 pages of a batch 32 cannot be mapped and go back to mm, the
/// others come in: slow 1. Every mapping fails, and the cache is empty: alloc gives nothing: empty 2, no slow.
#[test]
fn pages_that_cannot_be_mapped_are_passed_over() {
    let zone = Zone::new(128).unwrap();
    let device = Watched::new(false);
    device.refuse(|number| number % 2 == 0);
    let params = PagePoolParams::for_device(device.clone(), 4096);
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
    let held = alloc(&mut pool, 32);
    device.refuse(|_| true);
    assert!(pool.alloc().is_none());
    expect(&pool, Stats { alloc_empty: 2, alloc_slow: 1, alloc_fast: 31, ..Default::default() }, 32, 0);
    assert_eq!((zone.free_frames(), device.stats().mapped(), device.refused()), (96, 32, 32 + 64));
    drop((held, pool));
    assert_eq!((zone.free_frames(), device.stats().mapped()), (128, 0));
}

/// A higher order that cannot be mapped: empty 1, no slow_high_order, and the block is back in mm.
#[test]
fn a_block_that_cannot_be_mapped_goes_back() {
    let zone = Zone::new(8).unwrap();
    let device = Watched::new(false);
    device.refuse(|number| number == 0);
    let params = PagePoolParams { order: 3, ..PagePoolParams::for_device(device, 4096) };
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
    assert!(pool.alloc().is_none());
    assert_eq!(zone.free_frames(), 8);
    let _block = pool.alloc().unwrap();
    expect(&pool, Stats { alloc_empty: 2, alloc_slow_high_order: 1, ..Default::default() }, 1, 0);
}

/// The device syncs: `max_len` bytes from `offset` when a page is mapped, 64 times. Not when it comes out of the cache.
/// On a direct recycle `max_len`, or the sync size if that is less: min(100, 1500), min(9000, 1500). Not for a page
/// that leaves (mm holds it), nor on a put of a reference that is not the last. Counters: empty 1, slow 1, fast 4 (two
/// more after the first three), cached 3 (the whole, and the two with a size), released_refcnt 1.
#[test]
fn a_direct_recycle_syncs_what_may_be_dirty() {
    let zone = Zone::new(64).unwrap();
    let device = Watched::new(true);
    let params = PagePoolParams { offset: 256, max_len: 1500, ..PagePoolParams::for_device(device.clone(), 1) };
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone)).unwrap();
    let mut held = alloc(&mut pool, 3);
    assert_eq!(device.take_syncs(), [(256, 1500); 64]);
    let second = held[0].get();
    pool.recycle_direct(second);
    assert_eq!(device.take_syncs(), []);
    pool.recycle_direct(held.pop().unwrap());
    pool.recycle_direct_synced(held.pop().unwrap(), 100);
    held.extend(alloc(&mut pool, 2));
    pool.recycle_direct_synced(held.pop().unwrap(), 9000);
    assert_eq!(device.take_syncs(), [(256, 1500), (256, 100), (256, 1500)]);
    let extra = get_page(held[0].as_ref().page());
    pool.recycle_direct_synced(held.remove(0), 100);
    assert_eq!(device.take_syncs(), []);
    put_page(extra);
    let stats = Stats {
        alloc_empty: 1,
        alloc_slow: 1,
        alloc_fast: 4,
        recycle_cached: 3,
        recycle_released_refcnt: 1,
        ..Default::default()
    };
    expect(&pool, stats, 63, 62);
}

/// A put through the ring. Linux syncs in the put; here the consumer side does, when it refills the cache, each page
/// once and `max_len` bytes of it. alloc 64: empty 1, slow 1, fast 63. Put of 3: ring 3. alloc: refill 1.
/// Recycled fragment pages are synced when they are used again, as in Linux (page_pool_drain_frag).
#[test]
fn a_put_is_synced_by_the_consumer() {
    let zone = Zone::new(64).unwrap();
    let device = Watched::new(true);
    let params = PagePoolParams::for_device(device.clone(), 4096);
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone)).unwrap();
    let mut held = alloc(&mut pool, 64);
    device.take_syncs();
    put(&mut held, 3);
    assert_eq!(device.take_syncs(), [], "Linux: 3");
    held.push(pool.alloc().unwrap());
    assert_eq!(device.take_syncs(), [(0, 4096); 3], "Linux: none");
    drop(pool.alloc_frag(4096).unwrap()); // fast 64
    assert_eq!(device.take_syncs(), []);
    drop(pool.alloc_frag(4096).unwrap()); // cached 1, fast 65
    assert_eq!(device.take_syncs(), [(0, 4096)]);
    let stats = Stats {
        alloc_empty: 1,
        alloc_slow: 1,
        alloc_refill: 1,
        alloc_fast: 65,
        recycle_cached: 1,
        recycle_ring: 3,
        ..Default::default()
    };
    expect(&pool, stats, 64, 2);
}

/// A direct recycle that finds the cache full is synced, counted cache_full, and goes into the ring. Linux: one sync.
/// Here the refill from the ring is a second one: the ring does not say which of its words are clean.
#[test]
fn what_overflows_the_cache_is_synced_again() {
    let zone = Zone::new(192).unwrap();
    let device = Watched::new(true);
    let params = PagePoolParams::for_device(device.clone(), 64);
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone)).unwrap();
    let held = alloc(&mut pool, 129);
    // The cache has 63 of the third batch; 65 more fill it.
    held.into_iter().take(66).for_each(|memory| pool.recycle_direct_synced(memory, 10));
    let syncs = device.take_syncs();
    assert_eq!((syncs.len(), syncs[192..].iter().all(|sync| *sync == (0, 10))), (192 + 66, true));
    let _all = alloc(&mut pool, 129);
    assert_eq!(device.take_syncs().len(), 64);
}

/// Whether a provider's memory is synced is the provider's to say: devmem's is not. Counters as without a sync.
#[test]
fn device_memory_is_synced_if_its_provider_wants_it() {
    for wanted in [false, true] {
        let device = Watched::new(true);
        let iovs = Iovs::new(device.clone(), 2, wanted);
        let params = PagePoolParams::for_device(device.clone(), 4096);
        let mut pool = PagePool::<NetIov>::new(params, iovs).unwrap();
        let held = [pool.alloc().unwrap(), pool.alloc().unwrap()];
        held.into_iter().for_each(|memory| pool.recycle_direct(memory));
        assert_eq!(device.take_syncs().len(), if wanted { 4 } else { 0 });
        expect(&pool, Stats { alloc_empty: 1, alloc_fast: 1, recycle_cached: 2, ..Default::default() }, 2, 2);
        assert_eq!(device.stats().maps, 1, "the area, and no net_iov");
    }
}

/// The pool is used on node 0 and told so; its pages are of node 0. alloc 64: empty 1, slow 1, fast 63. Put of 10:
/// ring 10. The provider turns to node 1. nid_changed(1): the cache (empty) is flushed. alloc: the first page in the
/// ring is of node 0: it leaves, the refill stops, and with nothing in the cache memory comes from the provider: waive
/// 1, slow 2; not empty, not refill. That page is of node 1.
#[test]
fn a_waive_releases_one_page_and_stops_the_refill() {
    let bank = Bank::new(256);
    let params = PagePoolParams { nid: Some(0), ..Default::default() };
    let mut pool = PagePool::<Page>::new(params, bank.clone()).unwrap();
    let mut held = alloc(&mut pool, 64);
    put(&mut held, 10);
    bank.serve(1);
    pool.nid_changed(1);
    held.push(pool.alloc().unwrap());
    let stats =
        Stats { alloc_empty: 1, alloc_slow: 2, alloc_waive: 1, alloc_fast: 63, recycle_ring: 10, ..Default::default() };
    expect(&pool, stats, 127, 9 + 63);
    assert_eq!((bank.free(), bank.released()), ([193, 192], 1));
}

/// Two pages of node 1, then one of node 0, then one of node 1 are in the ring of a pool that prefers node 1. alloc: the
/// first two come in, the third leaves and stops it: refill 1 and waive 1 in one step; the fourth stays in the ring.
/// alloc: fast. alloc: refill 2 brings the fourth.
#[test]
fn a_refill_keeps_what_came_before_the_waive() {
    let bank = Bank::new(64);
    let params = PagePoolParams { nid: Some(1), ..Default::default() };
    let mut pool = PagePool::<Page>::new(params, bank.clone()).unwrap();
    // Nothing checks the node of fresh memory: the pages of node 0 are in the cache like others.
    let mut zeros = alloc(&mut pool, 64);
    bank.serve(1);
    let mut ones = alloc(&mut pool, 64);
    let mut ring: Vec<_> = ones.drain(..3).collect();
    ring.insert(2, zeros.pop().unwrap());
    put(&mut ring, 4);
    let _three = alloc(&mut pool, 3);
    let stats = Stats {
        alloc_empty: 2,
        alloc_slow: 2,
        alloc_refill: 2,
        alloc_waive: 1,
        alloc_fast: 126 + 1,
        recycle_ring: 4,
        ..Default::default()
    };
    expect(&pool, stats, 127, 0);
    assert_eq!(bank.released(), 1);
}

/// page_pool_nid_changed() with the node it has: nothing. With another: the cache (63 pages) goes back, the ring (1)
/// does not, nor does what is out. Nothing is counted. Without a preference nothing is ever waived.
///
/// (Linux reads NUMA_NO_NODE as the node of the CPU that refills; here `None` takes any page.)
#[test]
fn nid_changed_flushes_the_cache_and_counts_nothing() {
    let bank = Bank::new(256);
    let mut pool = PagePool::<Page>::new(PagePoolParams::default(), bank.clone()).unwrap();
    let mut held = alloc(&mut pool, 2);
    bank.serve(1);
    held.extend(alloc(&mut pool, 63)); // one of node 1, 63 of node 1 in the cache
    put(&mut held, 65);
    let before = Stats { alloc_empty: 2, alloc_slow: 2, alloc_fast: 63, recycle_ring: 65, ..Default::default() };
    expect(&pool, before, 128, 128);
    pool.nid_changed(1);
    expect(&pool, before, 65, 65);
    pool.nid_changed(1);
    expect(&pool, before, 65, 65);
    assert_eq!(bank.free(), [192, 255]);

    let mut any = PagePool::<Page>::new(PagePoolParams::default(), bank.clone()).unwrap();
    let mut held = alloc(&mut any, 64);
    bank.serve(0);
    held.extend(alloc(&mut any, 64));
    put(&mut held, 128);
    let _held = alloc(&mut any, 128);
    assert_eq!((any.stats().alloc_refill, any.stats().alloc_waive), (2, 0));
}

/// page_pool_put_netmem_bulk() of 10 into a ring of 4: ring 4, and ring_full once, for the batch, not for each of the 6
/// that leave. One by one the same 6 count ring_full 6 times.
#[test]
fn a_bulk_put_finds_the_ring_full_once() {
    let (zone, mut pool) = plain(64, 4);
    let mut batch = Batch::new();
    for _ in 0..10 {
        batch.push(pool.alloc().unwrap()).unwrap();
    }
    batch.flush();
    let mut stats = Stats {
        alloc_empty: 1,
        alloc_slow: 1,
        alloc_fast: 9,
        recycle_ring: 4,
        recycle_ring_full: 1,
        ..Default::default()
    };
    expect(&pool, stats, 58, 58);
    let mut held = alloc(&mut pool, 6);
    put(&mut held, 6);
    stats.alloc_fast += 6;
    stats.recycle_ring_full += 6;
    expect(&pool, stats, 52, 52);
    assert_eq!(zone.free_frames(), 12);
}

/// A bulk put of pages of two pools, mixed, among them one with a second reference (dropped, not put) and one that mm
/// holds (released_refcnt). Each pool gets its own in one go, in the order they stand: ring_full once each.
#[test]
fn a_bulk_put_sorts_by_pool() {
    let (zone, one) = plain(64, 2);
    let (_other_zone, two) = plain(64, 3);
    let mut pools = [one, two];
    let mut batch = Batch::new();
    let mut words = Vec::new();
    for pool in [0, 1, 1, 0] {
        let memory = pools[pool].alloc().unwrap();
        words.push(memory.as_ref().into_raw());
        batch.push(memory).unwrap();
    }
    let kept = pools[0].alloc().unwrap();
    batch.push(kept.get()).unwrap();
    let raised = pools[0].alloc().unwrap();
    let extra = get_page(raised.as_ref().page());
    batch.push(raised).unwrap();
    for pool in [1, 0, 1, 1, 0] {
        batch.push(pools[pool].alloc().unwrap()).unwrap();
    }
    std::thread::spawn(move || drop(batch)).join().unwrap();
    let stats = Stats {
        alloc_empty: 1,
        alloc_slow: 1,
        alloc_fast: 5,
        recycle_ring: 2,
        recycle_ring_full: 1,
        recycle_released_refcnt: 1,
        ..Default::default()
    };
    // One was raised; of four that could stay two found no room.
    expect(&pools[0], stats, 61, 60);
    let stats = Stats {
        alloc_empty: 1,
        alloc_slow: 1,
        alloc_fast: 4,
        recycle_ring: 3,
        recycle_ring_full: 1,
        ..Default::default()
    };
    // Two of five found no room.
    expect(&pools[1], stats, 62, 62);
    put_page(extra);
    drop(kept);
    assert_eq!((zone.free_frames(), pools[0].stats().recycle_ring_full), (4, 2));
    // First in, first out: 60 from the cache (58 here), then the ring's.
    let _cached = alloc(&mut pools[0], 58);
    let ring = alloc(&mut pools[0], 2);
    assert_eq!(ring[1].as_ref().into_raw(), words[0]);
    assert_eq!(ring[0].as_ref().into_raw(), words[3]);
}

/// A bulk put in the pool's own context recycles directly, page by page, as far as the cache has room; the rest goes
/// into the ring in one go. The cache has 65 of 128 (two batches came, 63 are out): 63 of 64 fit (cached 63), one does
/// not (cache_full 1, ring 1).
#[test]
fn a_bulk_recycle_fills_the_cache_first() {
    let (_zone, mut pool) = plain(192, 8);
    let mut batch = Batch::new();
    let held = alloc(&mut pool, 127); // empty 2, slow 2, fast 125; the cache has 1
    let mut held = held.into_iter();
    held.by_ref().take(64).for_each(|memory| batch.push(memory).unwrap());
    pool.recycle_bulk(&mut batch); // cached 64, the cache has 65
    held.for_each(|memory| batch.push(memory).unwrap()); // 63
    batch.push(pool.alloc().unwrap()).unwrap(); // fast 126, the cache has 64
    pool.recycle_bulk(&mut batch); // cached 128
    assert_eq!(pool.alloc_bulk(&mut batch), 64); // fast 190
    let extra = alloc(&mut pool, 65); // fast 254, then empty 3, slow 3: the cache has 63
    extra.into_iter().for_each(|memory| pool.recycle_direct(memory)); // cached 193, the cache has 128
    pool.recycle_bulk(&mut batch); // cache_full 64, ring 8, ring_full 1
    let stats = Stats {
        alloc_empty: 3,
        alloc_slow: 3,
        alloc_fast: 254,
        recycle_cached: 193,
        recycle_cache_full: 64,
        recycle_ring: 8,
        recycle_ring_full: 1,
        ..Default::default()
    };
    expect(&pool, stats, 136, 136);
}

/// Filling a batch is 64 allocations: empty 1, slow 1, fast 63; the next 64: empty 2, slow 2, fast 126. With 3 in it, it
/// takes 61: fast 187.
#[test]
fn a_bulk_allocation_counts_like_its_parts() {
    let (_zone, mut pool) = plain(256, 8);
    let (mut first, mut second) = (Batch::new(), Batch::new());
    assert_eq!((pool.alloc_bulk(&mut first), pool.alloc_bulk(&mut second)), (64, 64));
    for memory in alloc(&mut pool, 3) {
        first.pop();
        first.push(memory).unwrap();
    }
    expect(
        &pool,
        Stats { alloc_empty: 3, alloc_slow: 3, alloc_fast: 128, recycle_ring: 3, ..Default::default() },
        192,
        64,
    );
    let mut third = Batch::new();
    alloc(&mut pool, 3).into_iter().for_each(|memory| third.push(memory).unwrap()); // fast 131, 58 left
    assert_eq!(pool.alloc_bulk(&mut third), 61); // fast 189, then 3 from the ring: refill 1, fast 191
    expect(
        &pool,
        Stats {
            alloc_empty: 3,
            alloc_slow: 3,
            alloc_refill: 1,
            alloc_fast: 191,
            recycle_ring: 3,
            ..Default::default()
        },
        192,
        0,
    );
}

/// The init callback runs once for each page that enters the pool (page_pool_set_pp_info), 64 times, not when one goes
/// round: put (ring 64), refill 1.
#[test]
fn the_init_callback_runs_once_a_page() {
    let zone = Zone::new(64).unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let init: InitCallback = Arc::new(move |memory, bytes| {
        assert_eq!((memory.pp_ref_count(), bytes.unwrap().len()), (1, 4096));
        counted.fetch_add(1, SeqCst);
    });
    let params = PagePoolParams { init_callback: Some(init), ..Default::default() };
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone)).unwrap();
    let mut held = alloc(&mut pool, 64);
    put(&mut held, 64);
    let _memory = pool.alloc().unwrap();
    assert_eq!(calls.load(SeqCst), 64);
    let stats = Stats {
        alloc_empty: 1,
        alloc_slow: 1,
        alloc_refill: 1,
        alloc_fast: 63,
        recycle_ring: 64,
        ..Default::default()
    };
    expect(&pool, stats, 64, 63);
}

/// Shutdown with memory out: cache, ring and fragment page go back and everything is unmapped; what comes back later goes
/// to the provider, uncounted by anybody, and is not unmapped again. (In Linux such a put goes into the ring, which a
/// worker empties once a second. Here the ring is closed.)
#[test]
fn a_put_after_the_pool_leaves_at_once() {
    let zone = Zone::new(64).unwrap();
    let device = Watched::new(true);
    let params = PagePoolParams::for_device(device.clone(), 4096);
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
    let mut held = alloc(&mut pool, 3); // empty 1, slow 1, fast 2
    put(&mut held, 1); // ring 1
    let frag = pool.alloc_frag(64).unwrap(); // fast 3
    drop(pool.alloc_frag(4096).unwrap()); // the frag's page has a user: fast 4; and this one is being cut
    let stats = Stats { alloc_empty: 1, alloc_slow: 1, alloc_fast: 4, recycle_ring: 1, ..Default::default() };
    expect(&pool, stats, 64, 61);
    device.take_syncs();
    let shutdown = pool.shutdown(Duration::ZERO);
    assert_eq!((shutdown.inflight(), zone.free_frames()), (3, 61));
    assert_eq!((device.stats().mapped(), device.stats().unmaps, device.stats().faults), (0, 64, 0));
    put(&mut held, 2);
    assert_eq!((shutdown.inflight(), zone.free_frames()), (1, 63));
    drop(frag);
    assert!(shutdown.is_done());
    assert_eq!((device.stats().unmaps, device.stats().faults), (64, 0));
    assert_eq!((zone.free_frames(), device.take_syncs()), (64, vec![]), "nothing is synced at the end, nor after it");
}

/// Who does not map does not ask the device for anything.
#[test]
fn a_pool_that_does_not_map_leaves_the_device_alone() {
    let zone = Zone::new(64).unwrap();
    let device = Watched::new(true);
    let params = PagePoolParams { device: Some(device.clone() as Arc<dyn DmaDevice>), ..Default::default() };
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone)).unwrap();
    let mut held = alloc(&mut pool, 2);
    pool.recycle_direct(held.pop().unwrap());
    put(&mut held, 1);
    let stats = Stats {
        alloc_empty: 1,
        alloc_slow: 1,
        alloc_fast: 1,
        recycle_cached: 1,
        recycle_ring: 1,
        ..Default::default()
    };
    expect(&pool, stats, 64, 64);
    assert_eq!((device.stats().maps, device.take_syncs().len()), (0, 0));
}
