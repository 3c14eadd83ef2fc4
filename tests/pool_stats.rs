//! What a pool counts, step by step, against net/core/page_pool.c of Linux 7.3.
//!
//! Each scenario carries the trace that Linux's rules give, worked by hand: which counter each step moves. [`TRACES`] has
//! those that a table can tell; each step of them is compared. A test below is for what needs more than one pool, a
//! device, or another kind of memory, and compares at its end. Compared are all eleven counters, what the pool has from its
//! provider (`inflight`) and how much of that is in cache and ring (`idle`). Where this crate differs on purpose, the
//! scenario says so.

use netmem::dma::DmaDevice;
use netmem::mm::{PageRef, Zone, get_page, put_page};
use netmem::page_pool::{Batch, InitCallback, PagePoolParams, PoolKind, Stats};
use netmem::provider::PageProvider;
use netmem::{Frag, NetIov, Netmem, Page, PagePool};
use netmem_sim::dma::DmaBus;
use netmem_sim::kit::{Bank, Iovs, Watched};
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// A pool's counters, and how much it has: from its provider, and of that in cache and ring.
#[track_caller]
fn expect<K: PoolKind>(pool: &PagePool<K>, stats: Stats, inflight: usize, idle: usize) {
    assert_eq!(pool.stats(), stats);
    assert_eq!((pool.inflight(), pool.inflight() - pool.in_use()), (inflight, idle), "inflight, idle");
}

/// A pool over `frames` pages, without a device.
fn plain(frames: usize, pool_size: u32) -> (Zone, PagePool<Page>) {
    let zone = Zone::new(frames).unwrap();
    let params = PagePoolParams { pool_size, ..Default::default() };
    let pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
    (zone, pool)
}

/// Traces over a pool of pages, without a device. A block is one: its name, then the frames of the zone, the length of the
/// ring and the order of the pool. A line is a step:
///
/// | step | what is done |
/// | --- | --- |
/// | `alloc 3`, `no page` | allocates 3 pages; finds that there is none |
/// | `put 3`, `recycle 3` | puts the 3 handles that have been out longest from another thread; recycles them directly |
/// | `get 2` | takes 2 more references to the page that came last |
/// | `get_page 2`, `put_page 2` | mm takes a reference to each of the first 2 pages, or fragments' pages; drops them |
/// | `frag 64 at 0`, `no frag 64` | allocates a fragment, which starts there; finds that there is none |
/// | `least 64: 96 at 0` | allocates a fragment of 64 bytes or more, and gets 96 |
/// | `put-frag 1` | drops the fragment that has been out longest |
/// | `reserve 5` | makes the last 5 frames of the zone its reserve |
/// | `last first` | checks that what was given back since the last check came out again, last in first out |
/// | `free 2`, `pp_ref_count 1` | checks how many frames of the zone are free; how many references the first fragment's page has |
///
/// Then each counter that it moves, and by how much; then `inflight` and `idle` after it.
const TRACES: &str = "\
the first page: zone 256, ring 8
# Cache and ring are empty, 64 pages come in one go, one of them goes out.
alloc 1               | empty 1, slow 1              | 64, 63

slow counts once a batch: zone 256, ring 8
alloc 1               | empty 1, slow 1              | 64, 63
alloc 63              | fast 63                      | 64, 0
alloc 1               | empty 1, slow 1              | 128, 63
alloc 1               | fast 1                       | 128, 62

an allocation that fails is not slow: zone 10, ring 8
# One batch, although not 64 came.
alloc 1               | empty 1, slow 1              | 10, 9
alloc 9               | fast 9                       | 10, 0
no page               | empty 1                      | 10, 0
no page               | empty 1                      | 10, 0
free 0                |                              | 10, 0

higher orders come one by one: zone 12, ring 8, order 2
alloc 2               | empty 2, slow-high-order 2   | 2, 0
recycle 1             | cached 1                     | 2, 1
alloc 1               | fast 1                       | 2, 0
alloc 1               | empty 1, slow-high-order 1   | 3, 0
no page               | empty 1                      | 3, 0
free 0                |                              | 3, 0

direct recycling goes into the cache: zone 64, ring 8
alloc 2               | empty 1, slow 1, fast 1      | 64, 62
recycle 2             | cached 2                     | 64, 64
alloc 2               | fast 2                       | 64, 62
last first            |                              | 64, 62

what the cache cannot take goes into the ring: zone 256, ring 8
alloc 192             | empty 3, slow 3, fast 189    | 192, 0
recycle 128           | cached 128                   | 192, 128
recycle 3             | cache-full 3, ring 3         | 192, 131

what the ring cannot take leaves the pool: zone 192, ring 1
alloc 192             | empty 3, slow 3, fast 189    | 192, 0
recycle 128           | cached 128                   | 192, 128
recycle 1             | cache-full 1, ring 1         | 192, 129
recycle 2             | cache-full 2, ring-full 2    | 190, 129
free 2                |                              | 190, 129

refill counts once a batch: zone 256, ring 128
alloc 128             | empty 2, slow 2, fast 126    | 128, 0
put 100               | ring 100                     | 128, 100
# The cache is empty and the ring is not: 64 move over. Then the other 36.
alloc 1               | refill 1                     | 128, 99
alloc 63              | fast 63                      | 128, 36
alloc 1               | refill 1                     | 128, 35
alloc 35              | fast 35                      | 128, 0
alloc 1               | empty 1, slow 1              | 192, 63

a refill turns 64 around: zone 64, ring 128
# A ring is first in, first out. A refill fills the cache from the bottom, so that the 64th page out of the ring is the
# first to be allocated.
alloc 64              | empty 1, slow 1, fast 63     | 64, 0
put 64                | ring 64                      | 64, 64
alloc 64              | refill 1, fast 63            | 64, 0
last first            |                              | 64, 0

a ring of 0 is one of 1024: zone 1100, ring 0
# 17 batches: 16 of 64, and the last one of the 76 that were left.
alloc 1027            | empty 17, slow 17, fast 1010 | 1088, 61
put 1024              | ring 1024                    | 1088, 1085
put 3                 | ring-full 3                  | 1085, 1085
free 15               |                              | 1085, 1085

a ring that is too long is cut: zone 16448, ring 20000
# To 16384. 257 batches, with a zone that ends after them.
alloc 16385           | empty 257, slow 257, fast 16128 | 16448, 63
put 16384             | ring 16384                   | 16448, 16447
put 1                 | ring-full 1                  | 16447, 16447

a ring is as long as it was asked for: zone 64, ring 5
# It takes 5, though its slots are 8, and a refill makes room for as many as it takes.
alloc 7               | empty 1, slow 1, fast 6      | 64, 57
put 5                 | ring 5                       | 64, 62
put 2                 | ring-full 2                  | 62, 62
alloc 57              | fast 57                      | 62, 5
alloc 1               | refill 1                     | 62, 4
put 5                 | ring 5                       | 62, 9

a ring of 32 or more makes room 16 slots at a time: zone 64, ring 40
# As ptr_ring does. The refill took 20, and room is there for 16 of them; the second one reaches the end of a 16, and all is room.
alloc 64              | empty 1, slow 1, fast 63     | 64, 0
put 20                | ring 20                      | 64, 20
alloc 1               | refill 1                     | 64, 19
put 37                | ring 36, ring-full 1         | 63, 55
alloc 19              | fast 19                      | 63, 36
alloc 1               | refill 1                     | 63, 35
put 28                | ring 28                      | 63, 63

a page that others hold leaves and is counted: zone 64, ring 8
# Two have a reference of mm's beside the pool's, so a put finds `_refcount` 2.
alloc 4               | empty 1, slow 1, fast 3      | 64, 60
get_page 2            |                              | 64, 60
recycle 1             | released-refcnt 1            | 63, 60
put 1                 | released-refcnt 1            | 62, 60
recycle 1             | cached 1                     | 62, 61
put 1                 | ring 1                       | 62, 62
# mm has them.
free 0                |                              | 62, 62
put_page 2            |                              | 62, 62
free 2                |                              | 62, 62

a page of the reserve leaves and is counted: zone 8, ring 8
# The last 5 of 8 frames are the reserve, so that pages of them are pfmemalloc. Last in first out: 5 of the reserve, then
# 3 others. Put or recycled, each of the reserve leaves.
reserve 5             |                              | 0, 0
alloc 8               | empty 1, slow 1, fast 7      | 8, 0
recycle 1             | released-refcnt 1            | 7, 0
put 4                 | released-refcnt 4            | 3, 0
recycle 2             | cached 2                     | 3, 2
put 1                 | ring 1                       | 3, 3
free 5                |                              | 3, 3

only the last reference counts: zone 64, ring 8
alloc 1               | empty 1, slow 1              | 64, 63
get 2                 |                              | 64, 63
put 1                 |                              | 64, 63
recycle 1             |                              | 64, 63
put 1                 | ring 1                       | 64, 64
alloc 1               | fast 1                       | 64, 63
get 2                 |                              | 64, 63
put 1                 |                              | 64, 63
recycle 1             |                              | 64, 63
recycle 1             | cached 1                     | 64, 64

fragments count a page once: zone 64, ring 8
frag 2048 at 0        | empty 1, slow 1              | 64, 63
frag 2048 at 2048     |                              | 64, 63
# It does not fit. The page is drained but has users, so a fresh one comes.
frag 2048 at 0        | fast 1                       | 64, 62
put-frag 1            |                              | 64, 62
put-frag 1            | ring 1                       | 64, 63
# The page of the third is still cut from, so it is neither in the cache nor in the ring. It counts as idle here; Linux has no
# such number.
put-frag 1            |                              | 64, 64

a fragment page that is used again counts cached and fast: zone 64, ring 8
frag 3000 at 0        | empty 1, slow 1              | 64, 63
put-frag 1            |                              | 64, 64
# It does not fit. Draining takes the last references, so the same page is used from its start, though it was in no cache.
frag 2000 at 0        | cached 1, fast 1             | 64, 63
last first            |                              | 64, 63

a fragment page that others hold leaves uncounted: zone 64, ring 8
frag 3000 at 0        | empty 1, slow 1              | 64, 63
get_page 1            |                              | 64, 63
put-frag 1            |                              | 64, 64
# page_pool_drain_frag() returns it without counting released_refcnt, and a fresh one comes.
frag 2000 at 0        | fast 1                       | 63, 62
free 0                |                              | 63, 62
put_page 1            |                              | 63, 62
free 1                |                              | 63, 62

a fragment page of the reserve is not used again: zone 2, ring 8
reserve 64            |                              | 0, 0
frag 4096 at 0        | empty 1, slow 1              | 2, 1
put-frag 1            |                              | 2, 2
# The drained page is pfmemalloc and leaves; the other comes.
frag 4096 at 0        | fast 1                       | 1, 0
put-frag 1            |                              | 1, 1
# That one leaves, too. Cache and ring are empty, and two pages come, the second being the one that just left.
frag 4096 at 0        | empty 1, slow 1              | 2, 1
put-frag 1            |                              | 2, 2
free 0                |                              | 2, 2

a fragment that fails leaves its page to the users: zone 1, ring 8
frag 3000 at 0        | empty 1, slow 1              | 1, 0
# It does not fit, and no page comes. The pool has let go of the page: the put of the first is the last.
no frag 3000          | empty 1                      | 1, 0
pp_ref_count 1        |                              | 1, 0
put-frag 1            | ring 1                       | 1, 1
frag 64 at 0          | refill 1                     | 1, 0

page_pool_alloc gives the rest away: zone 64, ring 8
# A whole page; then a fragment, which gets no more, because as many bytes fit behind it.
least 2049: 4096 at 0 | empty 1, slow 1              | 64, 63
least 2048: 2048 at 0 | fast 1                       | 64, 62
# 1000 more fit at 3072, but not behind that, so the second gets what is left.
least 1000: 1000 at 2048 |                           | 64, 62
least 1000: 1024 at 3072 |                           | 64, 62
# The page is drained and has users.
least 64: 64 at 0     | fast 1                       | 64, 61
";

/// A pool, and what is out of it.
struct Trace {
    zone: Zone,
    pool: PagePool<Page>,
    held: VecDeque<Netmem<Page>>,
    frags: VecDeque<Frag<Page>>,
    refs: Vec<PageRef>,
    /// What was given back, and what came out since, since the last check.
    back: Vec<NonNull<()>>,
    out: Vec<NonNull<()>>,
}

impl Trace {
    fn new(pool: &str) -> Self {
        let value = |name: &str| {
            let mut values = pool.split(", ").filter_map(|field| field.trim().strip_prefix(name)?.trim().parse().ok());
            values.next()
        };
        let zone = Zone::new(value("zone").expect("the frames of the zone")).unwrap();
        let pool_size = value("ring").expect("the length of the ring") as u32;
        let params = PagePoolParams { pool_size, order: value("order").unwrap_or(0) as u32, ..Default::default() };
        let pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
        let (held, frags, refs) = Default::default();
        Trace { zone, pool, held, frags, refs, back: Vec::new(), out: Vec::new() }
    }

    /// Does a step.
    fn step(&mut self, step: &str) {
        let words: Vec<_> = step.split([' ', ':']).filter(|word| !word.is_empty()).collect();
        let number = |word: &str| word.parse::<usize>().unwrap_or_else(|_| panic!("`{word}` is no number"));
        match words[..] {
            ["no", "page"] => assert!(self.pool.alloc().is_none()),
            ["no", "frag", size] => assert!(self.pool.alloc_frag(number(size) as u32).is_none()),
            ["frag", size, "at", offset] => {
                let frag = self.pool.alloc_frag(number(size) as u32).unwrap();
                assert_eq!(frag.offset() as usize, number(offset));
                self.add(frag);
            }
            ["least", size, len, "at", offset] => {
                let frag = self.pool.alloc_at_least(number(size) as u32).unwrap();
                assert_eq!((frag.offset() as usize, frag.len() as usize), (number(offset), number(len)));
                self.add(frag);
            }
            ["last", "first"] => {
                assert!(!self.back.is_empty(), "nothing was given back");
                self.back.reverse();
                assert!(self.back == self.out, "not last in first out");
                self.back.clear();
            }
            [what, count] => self.step_of(what, number(count)),
            _ => panic!("`{step}` is no step"),
        }
    }

    fn step_of(&mut self, what: &str, count: usize) {
        match what {
            "alloc" => {
                let held = alloc(&mut self.pool, count);
                self.out.extend(held.iter().map(|memory| memory.borrow().as_raw()));
                self.held.extend(held);
            }
            "put" => put(&mut self.give_back(count), count),
            "recycle" => self.give_back(count).into_iter().for_each(|memory| self.pool.recycle_direct(memory)),
            "get" => {
                let last = self.held.back().expect("a page is out");
                let more: Vec<_> = (0..count).map(|_| last.get()).collect();
                self.held.extend(more);
            }
            "get_page" => {
                let pages = self.held.iter().map(|memory| memory.borrow().page());
                let pages = pages.chain(self.frags.iter().map(|frag| frag.borrow().page()));
                self.refs.extend(pages.take(count).map(get_page));
                assert_eq!(self.refs.len(), count);
            }
            "put_page" => self.refs.drain(..count).for_each(put_page),
            "put-frag" => {
                for frag in self.frags.drain(..count) {
                    self.back.push(frag.borrow().as_raw());
                    self.out.clear();
                }
            }
            "reserve" => self.zone.set_reserve(count),
            "free" => assert_eq!(self.zone.free_frames(), count),
            "pp_ref_count" => assert_eq!(self.frags[0].borrow().pp_ref_count(), count),
            _ => panic!("`{what}` is no step"),
        }
    }

    fn add(&mut self, frag: Frag<Page>) {
        self.out.push(frag.borrow().as_raw());
        self.frags.push_back(frag);
    }

    fn give_back(&mut self, count: usize) -> Vec<Netmem<Page>> {
        let held: Vec<_> = self.held.drain(..count).collect();
        self.back.extend(held.iter().map(|memory| memory.borrow().as_raw()));
        self.out.clear();
        held
    }
}

/// Adds to counters as a trace names them.
fn count(stats: &mut Stats, counts: &str) {
    for count in counts.split(',').map(str::trim).filter(|count| !count.is_empty()) {
        let (name, number) = count.split_once(' ').expect("a counter and a number");
        let counter = match name {
            "empty" => &mut stats.alloc_empty,
            "fast" => &mut stats.alloc_fast,
            "slow" => &mut stats.alloc_slow,
            "slow-high-order" => &mut stats.alloc_slow_high_order,
            "refill" => &mut stats.alloc_refill,
            "cached" => &mut stats.recycle_cached,
            "cache-full" => &mut stats.recycle_cache_full,
            "ring" => &mut stats.recycle_ring,
            "ring-full" => &mut stats.recycle_ring_full,
            "released-refcnt" => &mut stats.recycle_released_refcnt,
            _ => panic!("`{name}` is no counter"),
        };
        *counter += number.parse::<u64>().expect("a number");
    }
}

#[test]
fn each_step_of_the_traces_counts_as_in_linux() {
    let mut traces = 0;
    for block in TRACES.split("\n\n") {
        let mut lines = block.lines().filter(|line| !line.starts_with('#'));
        let (name, pool) = lines.next().and_then(|line| line.split_once(": ")).expect("a name and a pool");
        let (mut trace, mut stats) = (Trace::new(pool), Stats::default());
        for line in lines {
            println!("{name}: {line}"); // is shown when one fails
            let [step, counts, pages] = line.split('|').collect::<Vec<_>>().try_into().expect("three columns");
            trace.step(step);
            count(&mut stats, counts);
            let (inflight, idle) = pages.split_once(',').expect("inflight, idle");
            let [inflight, idle] = [inflight, idle].map(|number| number.trim().parse().expect("a number"));
            expect(&trace.pool, stats, inflight, idle);
        }
        traces += 1;
    }
    assert_eq!(traces, 22);
}

fn alloc(pool: &mut PagePool<Page>, count: usize) -> Vec<Netmem<Page>> {
    (0..count).map(|_| pool.alloc().unwrap()).collect()
}

/// Puts `count` of them from another thread.
fn put(handles: &mut Vec<Netmem<Page>>, count: usize) {
    let put: Vec<_> = handles.drain(..count).collect();
    std::thread::spawn(move || drop(put)).join().unwrap();
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

/// Device memory: the provider's allocations count in no slow counter. alloc 1: empty 1. alloc 3: fast 3. alloc: empty
/// 2, none left. Put: ring 1. alloc: refill 1. Direct: cached 1. alloc: fast 4. A net_iov always recycles.
#[test]
fn a_provider_of_net_iovs_is_never_slow() {
    let device = Watched::new(true);
    let iovs = Iovs::new(device.clone(), 4);
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
    let iovs = Iovs::unsynced(device.clone(), 4);
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
    let extra = get_page(held[0].borrow().page());
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
        let iovs = if wanted { Iovs::new(device.clone(), 2) } else { Iovs::unsynced(device.clone(), 2) };
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
        words.push(memory.borrow().as_raw());
        batch.push(memory).unwrap();
    }
    let kept = pools[0].alloc().unwrap();
    batch.push(kept.get()).unwrap();
    let raised = pools[0].alloc().unwrap();
    let extra = get_page(raised.borrow().page());
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
    assert_eq!(ring[1].borrow().as_raw(), words[0]);
    assert_eq!(ring[0].borrow().as_raw(), words[3]);
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
