//! What happens between threads, in every order that the memory model allows: the put alone and in batches, the ring,
//! the references, the page that fragments are cut from, the shutdown and who looks at it, and the unmapping, also of what a
//! device still has.
//!
//! Each test is a model that loom runs once for each order of the atomic operations of its threads, and each value a
//! relaxed load may give. Its comment says what bounds it (threads, preemptions: how often a thread is interrupted
//! where it need not be) and what it shows. Three canaries stand for the plain memory that loom does not see:
//!
//! - in the crate, `sync::Alive` for the pool's shared part, its ring's slots and an area: used by whoever uses them,
//!   written when they are freed, so that a use which the end is not ordered after fails;
//! - here, [`Bytes`] for the bytes of the memory: read by handles that share it, written by whoever is alone with it;
//! - here, [`World::end`] for what must be left: all frames free, each pool freed once, nothing mapped.
//!
//! loom by itself skips orders in which a thread loads what another one has loaded and is about to write, which is what
//! every counter here does; `sync.rs` makes it try them. REFILL is 2 under loom. `mutants.sh` shows that the models
//! fail when the code is wrong.

/// The devices of netmem-sim, over loom's lock: they know this crate as `netmem`, as everybody does.
#[allow(dead_code, unused_imports, reason = "the models use one of three")]
#[path = "../../../sim/src/dma/mod.rs"]
mod dma;
#[allow(dead_code, unused_imports, reason = "the devices use a part of it")]
#[path = "../../../src/sync.rs"]
mod sync;

use dma::{DmaBus, Iommu};
use loom::cell::UnsafeCell;
use loom::thread::{JoinHandle, spawn, yield_now};
use netmem::dma::{
    DeviceId, DmaDevice, DmaDirection, DmaMapping, DmaQueue, MapError, PeerError, PeerMemory, RxCompletion,
    RxDescriptor,
};
use netmem::mm::{FreePage, PAGE_SIZE, Zone, compound_order, get_page, page_ref_count, page_to_pfn, put_page};
use netmem::netdev::{PostError, RxRing};
use netmem::page_pool::{Batch, PagePoolParams, PoolHooks, PoolId, ProviderError, Refill};
use netmem::provider::PageProvider;
use netmem::{
    DmaAddr, Frag, FreeIov, Kind, MemoryProvider, NetIov, NetIovArea, NetIovType, Netmem, NetmemRef, Page, PagePool,
    PageRef,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Runs a model, and says how many executions it took.
fn check(name: &str, preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    let start = Instant::now();
    builder.check(move || {
        counter.fetch_add(1, Relaxed);
        model();
    });
    println!("{name}: {} executions in {:.1} s", executions.load(Relaxed), start.elapsed().as_secs_f32());
}

fn join(thread: JoinHandle<()>) {
    thread.join().unwrap();
}

/// What loom is told instead of accesses to plain memory.
struct Cells([UnsafeCell<()>; 6]);

impl Cells {
    fn new() -> Self {
        Cells(std::array::from_fn(|_| UnsafeCell::new(())))
    }
}

// SAFETY: there is no data in the cells; loom checks who reads and who writes.
unsafe impl Sync for Cells {}

/// The bytes of up to six pieces of memory, as loom sees them.
#[derive(Clone)]
struct Bytes(Arc<Cells>);

impl Bytes {
    fn new() -> Self {
        Bytes(Arc::new(Cells::new()))
    }

    fn of<K: Kind>(&self, memory: NetmemRef<'_, K>) -> &UnsafeCell<()> {
        match memory.backing() {
            // Zones start at a multiple of 1024.
            netmem::Backing::Page(page) => self.page(page),
            netmem::Backing::NetIov(iov) => &self.0.0[iov.index()],
        }
    }

    fn page(&self, page: &Page) -> &UnsafeCell<()> {
        &self.0.0[page_to_pfn(page) % 1024]
    }

    /// A handle uses its memory.
    fn used<K: Kind>(&self, memory: &Netmem<K>) {
        self.of(memory.borrow()).with(|_| ());
    }

    /// A handle uses its memory, and is dropped: the put.
    fn put<K: Kind>(&self, memory: Netmem<K>) {
        self.used(&memory);
        drop(memory);
    }

    /// Handles use their memory, and are put as one batch.
    fn put_batch<K: Kind>(&self, memory: impl IntoIterator<Item = Netmem<K>>) {
        let mut batch = Batch::new();
        for memory in memory {
            self.used(&memory);
            batch.put(memory);
        }
        batch.flush();
    }

    /// A frag uses its bytes, and is dropped. Others use other bytes of the memory.
    fn put_frag<K: Kind>(&self, frag: Frag<K>) {
        self.of(frag.borrow()).with(|_| ());
        drop(frag);
    }

    /// Somebody is alone with the memory: it was allocated, or `into_frag` said so.
    fn alone<K: Kind>(&self, memory: NetmemRef<'_, K>) {
        self.of(memory).with_mut(|_| ());
    }
}

/// Provides the pages of a zone. Memory that comes back is nobody else's, so its bytes are written.
struct Pages {
    pages: Arc<PageProvider>,
    bytes: Bytes,
    /// How many pools were made, and how many freed. Not loom's, as they are only looked at when all is over.
    made: AtomicUsize,
    freed: AtomicUsize,
}

impl MemoryProvider for Pages {
    type Kind = Page;
    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
        self.made.fetch_add(1, Relaxed);
        self.pages.init(params)
    }
    fn alloc(&self, out: &mut Refill<'_, Page>) {
        self.pages.alloc(out);
    }
    fn release(&self, page: FreePage) {
        self.bytes.page(page.page()).with_mut(|_| ());
        self.pages.release(page);
    }
    fn destroy(&self) {
        self.freed.fetch_add(1, Relaxed);
    }
}

/// A zone, a provider and perhaps a device, of one execution.
struct World {
    zone: Zone,
    bytes: Bytes,
    provider: Arc<Pages>,
    device: Option<Arc<Iommu>>,
}

impl World {
    fn new(frames: usize) -> Self {
        let (zone, bytes) = (Zone::new(frames).unwrap(), Bytes::new());
        let provider = Arc::new(Pages {
            pages: PageProvider::new(zone.clone()),
            bytes: bytes.clone(),
            made: AtomicUsize::new(0),
            freed: AtomicUsize::new(0),
        });
        World { zone, bytes, provider, device: None }
    }

    fn with_device(frames: usize) -> Self {
        World { device: Some(Arc::new(Iommu::new())), ..World::new(frames) }
    }

    fn pool(&self, pool_size: u32) -> PagePool<Page> {
        let params = match &self.device {
            Some(device) => PagePoolParams::for_device(device.clone(), PAGE_SIZE as u32),
            None => PagePoolParams::default(),
        };
        self.pool_with(PagePoolParams { pool_size, ..params })
    }

    fn pool_with(&self, params: PagePoolParams) -> PagePool<Page> {
        PagePool::<Page>::new(params, self.provider.clone()).unwrap()
    }

    /// Puts a handle on a thread of its own.
    fn put_on_thread<K: Kind>(&self, memory: Netmem<K>) -> JoinHandle<()> {
        let bytes = self.bytes.clone();
        spawn(move || bytes.put(memory))
    }

    /// Puts handles, as one batch, on a thread of their own.
    fn put_batch_on_thread<const N: usize>(&self, memory: [Netmem<Page>; N]) -> JoinHandle<()> {
        let bytes = self.bytes.clone();
        spawn(move || bytes.put_batch(memory))
    }

    /// The consumer asks so many times, and is alone with what it gets, which is never the same page twice.
    fn allocs(&self, pool: &mut PagePool<Page>, times: usize) -> Vec<Netmem<Page>> {
        let mut got: Vec<Netmem<Page>> = Vec::new();
        for _ in 0..times {
            match pool.alloc() {
                Some(memory) => got.push(memory),
                None => yield_now(),
            }
        }
        for (i, memory) in got.iter_mut().enumerate() {
            self.bytes.alone(memory.borrow());
            assert!(memory.bytes_mut().is_some(), "page {i} that was allocated is somebody else's too");
        }
        for (i, memory) in got.iter().enumerate() {
            assert!(got[..i].iter().all(|other| other.borrow() != memory.borrow()), "page {i} came twice");
        }
        got
    }

    /// What was mapped is unmapped, each once.
    fn nothing_mapped(&self) {
        let stats = self.device.as_ref().unwrap().stats();
        assert_eq!((stats.mapped(), stats.faults), (0, 0), "mappings and faults, at most");
    }

    /// Every page is back, once, and each pool is freed, once: it held the provider.
    fn end(&self) {
        assert_eq!(self.zone.free_frames(), self.zone.frames(), "frames free");
        assert_eq!(Arc::strong_count(&self.provider), 1, "owners of the provider: a pool is not freed");
        self.freed(self.provider.made.load(Relaxed));
    }

    fn freed(&self, pools: usize) {
        assert_eq!(self.provider.freed.load(Relaxed), pools, "pools freed");
    }
}

/// Bounds: 2 threads, 5 preemptions.
///
/// One thread puts two pages, through a ring of 1 or past it, while the other drops the pool. In every order each page
/// comes back once, after its last use, and the pool is freed by whoever is last, after everybody has left it.
#[test]
fn two_puts_against_the_drop_of_the_pool() {
    check("two_puts_against_the_drop_of_the_pool", Some(5), || {
        let world = World::new(2);
        let mut pool = world.pool(1);
        let (first, second, bytes) = (pool.alloc().unwrap(), pool.alloc().unwrap(), world.bytes.clone());
        let putter = spawn(move || {
            bytes.put(first);
            bytes.put(second);
        });
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 3 threads, 4 preemptions.
///
/// Two references of one page are put on two threads while the third drops the pool. One of the two puts is the last
/// reference's, whatever the order, and it comes after the other's use of the bytes.
#[test]
fn the_last_two_references_against_the_drop_of_the_pool() {
    check("the_last_two_references_against_the_drop_of_the_pool", Some(4), || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let first = pool.alloc().unwrap();
        let second = first.get();
        let putters = [world.put_on_thread(first), world.put_on_thread(second)];
        drop(pool);
        putters.into_iter().for_each(join);
        world.end();
    });
}

/// Bounds: 2 threads, 5 preemptions; the consumer asks three times.
///
/// One thread puts two pages while the consumer, whose cache is empty, allocates: from the ring, in one or two refills,
/// or from the zone what did not fit into the ring of 1. It never gets a page that is still in use, and never one
/// twice; the slot is taken, emptied and used again.
#[test]
fn puts_come_back_through_the_ring() {
    check("puts_come_back_through_the_ring", Some(5), || {
        let world = World::new(2);
        let mut pool = world.pool(1);
        let (first, second, bytes) = (pool.alloc().unwrap(), pool.alloc().unwrap(), world.bytes.clone());
        let putter = spawn(move || {
            bytes.put(first);
            bytes.put(second);
        });
        drop(world.allocs(&mut pool, 3));
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, 5 preemptions; the consumer asks three times.
///
/// One thread puts two pages as a batch, which is one reservation of two slots, while the consumer allocates. A refill
/// may take the first slot, stop at the second, which is not written yet, and take that one next time. It never gets a
/// page that is still in use, and never one twice.
#[test]
fn a_batch_comes_back_through_the_ring() {
    check("a_batch_comes_back_through_the_ring", Some(5), || {
        let world = World::new(2);
        let mut pool = world.pool(2);
        let putter = world.put_batch_on_thread([pool.alloc().unwrap(), pool.alloc().unwrap()]);
        drop(world.allocs(&mut pool, 3));
        join(putter);
        assert_eq!(pool.stats().recycle_ring_full, 0, "a ring with room was taken for full");
        drop(pool);
        world.end();
    });
}

/// Bounds: 2 threads, 3 preemptions; the consumer asks twice.
///
/// The ring of 1 is too short for the batch of two: the second page leaves the pool on the putter's thread, while the
/// consumer takes the first out of the ring. A batch and a single put follow, into the slot that was emptied.
#[test]
fn a_batch_into_a_ring_that_is_too_short() {
    check("a_batch_into_a_ring_that_is_too_short", Some(3), || {
        let world = World::new(3);
        let mut pool = world.pool(1);
        let [first, second, third] = std::array::from_fn(|_| pool.alloc().unwrap());
        let bytes = world.bytes.clone();
        let putter = spawn(move || {
            bytes.put_batch([first, second]);
            bytes.put_batch([third]);
        });
        drop(world.allocs(&mut pool, 2));
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, all orders.
///
/// One thread puts two pages as a batch while the other drops the pool. The close waits for both slots if they are
/// reserved; if it came first both pages leave on the putter's thread. The pool is freed after the putter has left it.
#[test]
fn a_batch_against_the_drop_of_the_pool() {
    check("a_batch_against_the_drop_of_the_pool", None, || {
        let world = World::new(2);
        let mut pool = world.pool(2);
        let putter = world.put_batch_on_thread([pool.alloc().unwrap(), pool.alloc().unwrap()]);
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, all orders.
///
/// As above with a ring of 1: the page that does not fit keeps the pool until the putter has returned it, and not
/// longer.
#[test]
fn a_batch_that_does_not_fit_against_the_drop_of_the_pool() {
    check("a_batch_that_does_not_fit_against_the_drop_of_the_pool", None, || {
        let world = World::new(2);
        let mut pool = world.pool(1);
        let putter = world.put_batch_on_thread([pool.alloc().unwrap(), pool.alloc().unwrap()]);
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, 4 preemptions; the consumer asks twice.
///
/// One thread puts two pages as a batch while the consumer puts a third alone, through the ring as others do, and then
/// allocates. Each reservation is one putter's, whoever comes first; that of the batch may go round the end of the ring of
/// 2, or find room for one page only.
#[test]
fn a_batch_against_a_put() {
    check("a_batch_against_a_put", Some(4), || {
        let world = World::new(3);
        let mut pool = world.pool(2);
        let [first, second, third] = std::array::from_fn(|_| pool.alloc().unwrap());
        let putter = world.put_batch_on_thread([first, second]);
        world.bytes.put(third);
        drop(world.allocs(&mut pool, 2));
        join(putter);
        drop(pool);
        world.end();
    });
}

/// Bounds: 2 threads, 4 preemptions.
///
/// Of a page's two references one is put as part of a batch, with another page, and the other alone, before the pool is
/// dropped. The page comes back once, after the last use of both.
#[test]
fn a_batch_with_one_of_two_references() {
    check("a_batch_with_one_of_two_references", Some(4), || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let mine = pool.alloc().unwrap();
        let putter = world.put_batch_on_thread([mine.get()]);
        world.bytes.put(mine);
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 3 threads, 2 preemptions.
///
/// Two threads put one batch each, of pages of two pools in turn, while the third drops one of the pools. Every page
/// goes back to its own pool, whichever of them the batch begins with, and each pool is freed once, the other one
/// later.
#[test]
fn batches_of_two_pools_against_the_drop_of_one() {
    check("batches_of_two_pools_against_the_drop_of_one", Some(2), || {
        let world = World::new(4);
        let (mut doomed, mut other) = (world.pool(1), world.pool(2));
        let [a, b] = std::array::from_fn(|_| doomed.alloc().unwrap());
        let [c, d] = std::array::from_fn(|_| other.alloc().unwrap());
        let putters = [[a, c], [d, b]].map(|batch| world.put_batch_on_thread(batch));
        drop(doomed);
        putters.into_iter().for_each(join);
        world.freed(1);
        assert_eq!((other.inflight(), other.stats().recycle_ring), (2, 2), "what came back to the other pool");
        let (id, got) = (Some(other.id()), world.allocs(&mut other, 2));
        if got.iter().any(|memory| memory.borrow().pp() != id) {
            // Their own pool is gone, so they cannot be dropped.
            std::mem::forget((got, other));
            panic!("a page came back to a pool that is not its own");
        }
        drop((got, other));
        world.end();
    });
}

/// Bounds: 2 threads, 3 preemptions.
///
/// A batch begins with a page of one pool and goes on with those of two more, while the pool of the second is dropped.
#[test]
fn a_batch_of_three_pools_against_the_drop_of_one() {
    check("a_batch_of_three_pools_against_the_drop_of_one", Some(3), || {
        let world = World::new(6);
        let [mut first, mut doomed, mut last] = [world.pool(1), world.pool(1), world.pool(1)];
        let pages = [&mut first, &mut doomed, &mut last].map(|pool| pool.alloc().unwrap());
        let putter = world.put_batch_on_thread(pages);
        drop(doomed);
        join(putter);
        world.freed(1);
        assert_eq!([&first, &last].map(|pool| (pool.inflight(), pool.in_use())), [(2, 0), (2, 0)], "what is out");
        drop((first, last));
        world.end();
    });
}

/// Bounds: 2 threads, 3 preemptions; the consumer asks each pool once.
///
/// mm counts on two of a batch's three pages, one of each pool: they leave their pools on the putter's thread, and the
/// consumer gets the third at most. Who has mm's references uses both pages once more before it lets them go.
#[test]
fn a_batch_with_pages_that_mm_counts_on() {
    check("a_batch_with_pages_that_mm_counts_on", Some(3), || {
        let world = World::new(3);
        let (mut pool, mut other) = (world.pool(2), world.pool(1));
        let [first, second] = std::array::from_fn(|_| pool.alloc().unwrap());
        let third = other.alloc().unwrap();
        let extras = [get_page(second.borrow().page()), get_page(third.borrow().page())];
        let putter = world.put_batch_on_thread([third, second, first]);
        drop([world.allocs(&mut pool, 1), world.allocs(&mut other, 1)]);
        for extra in extras {
            world.bytes.page(&extra).with(|_| ());
            put_page(extra);
        }
        join(putter);
        drop((pool, other));
        world.end();
    });
}

/// Bounds: 3 threads, 2 preemptions, once with the late putter alone and once with a batch.
///
/// The ring of 2 never has more than two pages to hold, so it is never full. A putter that has looked for the end of
/// the ring before another one put, and for its start after the consumer took that, looks again.
#[test]
fn an_old_look_at_the_ring_does_not_make_it_full() {
    for batch in [false, true] {
        check("an_old_look_at_the_ring_does_not_make_it_full", Some(2), move || {
            let world = World::new(2);
            let mut pool = world.pool(2);
            let [first, second] = std::array::from_fn(|_| pool.alloc().unwrap());
            let early = world.put_on_thread(first);
            let late = if batch { world.put_batch_on_thread([second]) } else { world.put_on_thread(second) };
            let got = world.allocs(&mut pool, 1);
            [early, late].into_iter().for_each(join);
            assert_eq!(pool.stats().recycle_ring_full, 0, "a ring with room was taken for full");
            drop(got);
            drop(pool);
            world.end();
        });
    }
}

/// Bounds: 2 threads, 4 preemptions; the consumer asks three times.
///
/// The pool has come to want another node than its pages are of while they are put, one by one. Each refill takes one
/// out of the ring and gives it back to the zone, after its last use; what is behind it stays there for the next.
#[test]
fn pages_of_another_node_come_back_through_the_ring() {
    check("pages_of_another_node_come_back_through_the_ring", Some(4), || {
        let world = World::new(2);
        let mut pool = world.pool(2);
        let (first, second, bytes) = (pool.alloc().unwrap(), pool.alloc().unwrap(), world.bytes.clone());
        pool.nid_changed(world.zone.nid() + 1);
        let putter = spawn(move || {
            bytes.put(first);
            bytes.put(second);
        });
        let got = world.allocs(&mut pool, 3);
        assert_eq!(pool.stats().alloc_refill, 0, "a page of another node stayed");
        drop(got);
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, all orders; the owner looks twice.
///
/// The pool is shut down while its last page is put, and whoever looks on looks, and stops looking, at any time. It
/// sees 0 only when the page is back, after its last use, and never more again. The pool is freed by whoever leaves
/// last.
#[test]
fn the_last_put_against_a_look_at_the_shutdown() {
    check("the_last_put_against_a_look_at_the_shutdown", None, || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let putter = world.put_on_thread(pool.alloc().unwrap());
        let shutdown = pool.shutdown(Duration::ZERO);
        let (first, second) = (shutdown.inflight(), shutdown.inflight());
        assert!(second <= first && first <= 1, "{first} and then {second} of 1 page are out");
        if second == 0 {
            // Before the zone's lock, which would order it.
            world.bytes.0.0[0].with_mut(|_| ());
            assert_eq!(world.zone.free_frames(), 1, "frames free");
        }
        drop(shutdown);
        join(putter);
        world.end();
    });
}

/// Bounds: 3 threads, 2 preemptions.
///
/// Two pages are put on two threads while the pool is shut down. Whoever looks on keeps the pool: when both threads are
/// done it says 0, and only then, when it goes, is the pool freed.
#[test]
fn two_puts_against_a_shutdown_that_is_kept() {
    check("two_puts_against_a_shutdown_that_is_kept", Some(2), || {
        let world = World::new(2);
        let mut pool = world.pool(1);
        let putters = [pool.alloc().unwrap(), pool.alloc().unwrap()].map(|memory| world.put_on_thread(memory));
        let shutdown = pool.shutdown(Duration::ZERO);
        assert!(shutdown.inflight() <= 2, "{} of 2 pages are out", shutdown.inflight());
        putters.into_iter().for_each(join);
        assert_eq!((shutdown.inflight(), shutdown.is_done()), (0, true));
        world.freed(0);
        drop(shutdown);
        world.end();
    });
}

/// Checks what it is told of a pool that takes in `held` pieces.
struct Watch {
    held: u32,
    /// Used by whoever is told of a piece, and written when the end is told.
    end: Cells,
    released: AtomicUsize,
    ends: AtomicUsize,
}

impl PoolHooks for Watch {
    fn state_release(&self, _pool: PoolId, _memory: NetmemRef<'_>, released: u32) {
        self.end.0[0].with(|_| ());
        self.released.fetch_add(1, Relaxed);
        assert!((1..=self.held).contains(&released), "piece {released} of {} leaves", self.held);
    }
    fn release(&self, _pool: PoolId, inflight: i32, held: u32, released: u32) {
        assert_eq!((held, inflight as u32 + released), (self.held, held), "held, and inflight with released");
        if inflight != 0 {
            assert_eq!(self.ends.load(Relaxed), 0, "the end was told before");
            return self.end.0[0].with(|_| ());
        }
        self.end.0[0].with_mut(|_| ());
        assert_eq!(self.released.load(Relaxed), self.held as usize, "pieces that left before the end");
        self.ends.fetch_add(1, Relaxed);
    }
}

/// Bounds: 2 threads, 4 preemptions, once without anybody who looks on and once with.
///
/// One thread puts two pages, through a ring of 1 or past it, while the other ends the pool. The numbers that the hooks
/// get agree with each other on whatever thread they are called, and the end is told once, after all else.
#[test]
fn hooks_see_one_end() {
    for look in [false, true] {
        check("hooks_see_one_end", Some(4), move || {
            let world = World::new(2);
            let (released, ends) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let watch = Arc::new(Watch { held: 2, end: Cells::new(), released, ends });
            let hooks = Some(watch.clone() as Arc<dyn PoolHooks>);
            let mut pool = world.pool_with(PagePoolParams { pool_size: 1, hooks, ..Default::default() });
            let (first, second, bytes) = (pool.alloc().unwrap(), pool.alloc().unwrap(), world.bytes.clone());
            let putter = spawn(move || {
                bytes.put(first);
                bytes.put(second);
            });
            if look {
                drop(pool.shutdown(Duration::ZERO))
            } else {
                drop(pool)
            }
            join(putter);
            assert_eq!(watch.ends.load(Relaxed), 1, "ends told");
            world.end();
        });
    }
}

/// Bounds: 2 threads, 5 preemptions.
///
/// A ring of 1, so a put may leave the pool and unmap while the drop of the pool unmaps what is out. Every mapping ends
/// once, and none is left, or ends, after the drop has returned: then the device may go.
#[test]
fn a_put_that_leaves_against_the_scrub() {
    check("a_put_that_leaves_against_the_scrub", Some(5), || {
        let world = World::with_device(2);
        let mut pool = world.pool(1);
        let (first, second, bytes) = (pool.alloc().unwrap(), pool.alloc().unwrap(), world.bytes.clone());
        let putter = spawn(move || {
            bytes.put(first);
            bytes.put(second);
        });
        drop(pool);
        world.nothing_mapped();
        join(putter);
        world.nothing_mapped();
        world.end();
    });
}

/// Bounds: 3 threads, 3 preemptions.
///
/// As above with two putters, of which one may be waiting for the lock of the mappings, or hold it, when the pool goes.
#[test]
fn two_putters_against_the_scrub() {
    check("two_putters_against_the_scrub", Some(3), || {
        let world = World::with_device(2);
        let mut pool = world.pool(1);
        let putters = [pool.alloc().unwrap(), pool.alloc().unwrap()].map(|memory| world.put_on_thread(memory));
        drop(pool);
        world.nothing_mapped();
        putters.into_iter().for_each(join);
        world.nothing_mapped();
        world.end();
    });
}

/// A device that uses what is mapped until its queue has stopped. loom sees that as a read, and the end of a mapping as a
/// write.
struct Wire {
    inner: Arc<Iommu>,
    used: UnsafeCell<()>,
}

// SAFETY: there is no data in the cell; loom checks who reads and who writes.
unsafe impl Sync for Wire {}
// SAFETY: as above.
unsafe impl Send for Wire {}

// SAFETY: every call goes to a device that keeps the promise.
unsafe impl DmaDevice for Wire {
    fn id(&self) -> DeviceId {
        self.inner.id()
    }
    unsafe fn map(&self, page: &Page, direction: DmaDirection) -> Option<DmaAddr> {
        // SAFETY: promised by the caller.
        unsafe { self.inner.map(page, direction) }
    }
    unsafe fn unmap(&self, addr: DmaAddr) {
        self.used.with_mut(|_| ());
        // SAFETY: promised by the caller.
        unsafe { self.inner.unmap(addr) }
    }
    fn map_peer(&self, _: Arc<dyn PeerMemory>, _: usize, len: usize, _: DmaDirection) -> Result<DmaAddr, MapError> {
        Err(MapError::NoRoom { len })
    }
    unsafe fn unmap_peer(&self, _: DmaAddr) {}
    fn needs_sync(&self) -> bool {
        false
    }
    unsafe fn sync_for_cpu(&self, _: DmaAddr, _: usize, _: usize) {}
    unsafe fn sync_for_device(&self, _: DmaAddr, _: usize, _: usize) {}
    unsafe fn sync_bytes_for_device(&self, _: DmaAddr, _: usize, _: &[u8]) {}
}

/// A queue of that device, whose device writes the buffer last when it is told to stop.
struct Queue {
    wire: Arc<Wire>,
    device: Arc<dyn DmaDevice>,
    posted: Option<DmaAddr>,
}

// SAFETY: it touches what was posted before `stop` returns, and completes nothing.
unsafe impl DmaQueue for Queue {
    fn device(&self) -> &Arc<dyn DmaDevice> {
        &self.device
    }
    fn depth(&self) -> usize {
        1
    }
    fn post(&mut self, descriptor: RxDescriptor) {
        self.posted = Some(descriptor.payload().addr());
    }
    fn kick(&mut self) {}
    fn complete(&mut self) -> Option<RxCompletion> {
        None
    }
    fn stop(&mut self) {
        if let Some(addr) = self.posted {
            self.wire.used.with(|_| ());
            // SAFETY: the buffer is posted, and has not been completed.
            unsafe { self.wire.inner.write(addr.as_raw(), &[1]) }.expect("what the device has is mapped");
        }
    }
}

/// A ring of that device, and a pool that maps for it.
fn ring_and_pool(world: &World) -> (RxRing<Queue, Page>, PagePool<Page>) {
    let wire = Arc::new(Wire { inner: world.device.clone().unwrap(), used: UnsafeCell::new(()) });
    let queue = Queue { wire: wire.clone(), device: wire.clone(), posted: None };
    let params = PagePoolParams { pool_size: 1, ..PagePoolParams::for_device(wire, PAGE_SIZE as u32) };
    (RxRing::new(queue).unwrap(), world.pool_with(params))
}

/// Bounds: 2 threads, all preemptions.
///
/// One thread drops the pool, and the other stops a ring that has posted a page of it: the page is mapped until the ring has
/// stopped, and unmapped when both are done, by whichever is last.
#[test]
fn a_ring_that_stops_against_the_drop_of_the_pool() {
    check("a_ring_that_stops_against_the_drop_of_the_pool", None, || {
        let world = World::with_device(1);
        let (mut ring, mut pool) = ring_and_pool(&world);
        ring.post(pool.alloc_frag(PAGE_SIZE as u32).unwrap(), None).unwrap();
        let owner = spawn(move || drop(pool));
        let back = ring.stop().next().unwrap();
        join(owner);
        world.nothing_mapped();
        drop(back);
        world.end();
    });
}

/// Bounds: 2 threads, 3 preemptions.
///
/// One thread drops the pool, and the other posts a page of it: either it is refused, or it is mapped until it is back.
#[test]
fn a_post_against_the_drop_of_the_pool() {
    check("a_post_against_the_drop_of_the_pool", Some(3), || {
        let world = World::with_device(1);
        let (mut ring, mut pool) = ring_and_pool(&world);
        let frag = pool.alloc_frag(PAGE_SIZE as u32).unwrap();
        let owner = spawn(move || drop(pool));
        match ring.post(frag, None) {
            Ok(()) => {}
            Err(refused) => assert_eq!(refused.reason, PostError::NotMapped),
        }
        drop(ring);
        join(owner);
        world.nothing_mapped();
        world.end();
    });
}

/// Bounds: 3 threads, 3 preemptions.
///
/// One thread takes a second reference and puts the first, another drops the rest of the shares, the third drops the
/// pool. A reference taken from a reference keeps the memory: the page comes back when all four are gone, once.
#[test]
fn get_and_shares_against_the_drop_of_the_pool() {
    check("get_and_shares_against_the_drop_of_the_pool", Some(3), || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let mut shares = pool.alloc().unwrap().share(3).unwrap();
        let (memory, bytes) = (shares.take().unwrap(), world.bytes.clone());
        let getter = spawn(move || {
            let second = memory.get();
            bytes.put(memory);
            bytes.put(second);
        });
        let dropper = spawn(move || drop(shares));
        drop(pool);
        join(getter);
        join(dropper);
        world.end();
    });
}

/// Bounds: 3 threads, 2 preemptions.
///
/// A frag is split in two, one part goes to each of two threads and is split again there; the third thread drops the
/// pool, and with it the pool's own references to the page that frags are cut from. The last of all brings it back.
#[test]
fn frags_split_on_two_threads_against_the_drop_of_the_pool() {
    check("frags_split_on_two_threads_against_the_drop_of_the_pool", Some(2), || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let mut head = pool.alloc_frag(256).unwrap();
        let tail = head.split_off(128).unwrap();
        let splitters = [head, tail].map(|mut frag| {
            let bytes = world.bytes.clone();
            spawn(move || {
                let rest = frag.split_off(64).unwrap();
                bytes.put_frag(frag);
                bytes.put_frag(rest);
            })
        });
        drop(pool);
        splitters.into_iter().for_each(join);
        world.end();
    });
}

/// Memory of a device that nobody looks at.
struct Vram(usize);

impl PeerMemory for Vram {
    fn len(&self) -> usize {
        self.0
    }
    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), PeerError> {
        Err(PeerError { offset, len: bytes.len() })
    }
}

fn area(device: &Arc<Iommu>, count: usize) -> Vec<FreeIov> {
    let len = count * PAGE_SIZE;
    let mapping = DmaMapping::new(device.clone(), Arc::new(Vram(len)), 0, len).unwrap();
    NetIovArea::carve(mapping, PAGE_SIZE, NetIovType::DmaBuf, 0).unwrap()
}

/// Bounds: 3 threads, all orders.
///
/// The net_iovs of an area are dropped on three threads. Whoever is last frees the area, after everybody else's use of
/// it, and unmaps the memory once.
#[test]
fn an_area_dropped_on_three_threads() {
    check("an_area_dropped_on_three_threads", None, || {
        let device = Arc::new(Iommu::new());
        let mut iovs = area(&device, 3);
        let droppers = [iovs.pop(), iovs.pop()].map(|iov| spawn(move || drop(iov)));
        assert_eq!(device.stats().mapped(), 1, "one is here");
        drop(iovs);
        droppers.into_iter().for_each(join);
        assert_eq!((device.stats().unmaps, device.stats().faults), (1, 0));
    });
}

/// Provides an area's net_iovs once, and drops what comes back: it has been unbound from its dma-buf.
struct Unbound(loom::sync::Mutex<Vec<FreeIov>>, Bytes);

impl MemoryProvider for Unbound {
    type Kind = NetIov;
    fn init(&self, _params: &PagePoolParams) -> Result<u32, ProviderError> {
        Ok(PAGE_SIZE as u32)
    }
    fn alloc(&self, out: &mut Refill<'_, NetIov>) {
        let free = std::mem::take(&mut *self.0.lock().unwrap());
        free.into_iter().for_each(|iov| out.push(iov).unwrap());
    }
    fn release(&self, iov: FreeIov) {
        self.1.alone(NetmemRef::<NetIov>::from(iov.net_iov()));
        drop(iov);
    }
}

/// Bounds: 3 threads, 3 preemptions.
///
/// Two net_iovs of a pool are put on two threads while the third drops the pool. Whoever returns the last of them frees
/// the area and unmaps the memory; the pool unmaps none of it.
#[test]
fn net_iovs_against_the_drop_of_the_pool() {
    check("net_iovs_against_the_drop_of_the_pool", Some(3), || {
        let (device, bytes) = (Arc::new(Iommu::new()), Bytes::new());
        let provider = Arc::new(Unbound(loom::sync::Mutex::new(area(&device, 2)), bytes.clone()));
        let params = PagePoolParams { pool_size: 2, ..PagePoolParams::for_device(device.clone(), PAGE_SIZE as u32) };
        let mut pool = PagePool::<NetIov>::new(params, provider.clone()).unwrap();
        let putters = [pool.alloc().unwrap(), pool.alloc().unwrap()].map(|memory| {
            let bytes = bytes.clone();
            spawn(move || bytes.put(memory))
        });
        drop(pool);
        putters.into_iter().for_each(join);
        assert_eq!((device.stats().unmaps, device.stats().faults), (1, 0));
        assert_eq!(Arc::strong_count(&provider), 1, "owners of the provider: the pool is not freed");
    });
}

/// Bounds: 3 threads, 4 preemptions.
///
/// Two threads put one page each into a ring of 2 while the third closes it. A slot may be reserved and not written
/// when the ring closes, and the second one may be written before the first: the close waits, and takes both.
#[test]
fn the_ring_closes_while_slots_are_reserved() {
    check("the_ring_closes_while_slots_are_reserved", Some(4), || {
        let world = World::new(2);
        let mut pool = world.pool(2);
        let putters = [pool.alloc().unwrap(), pool.alloc().unwrap()].map(|memory| world.put_on_thread(memory));
        drop(pool);
        putters.into_iter().for_each(join);
        world.end();
    });
}

/// Bounds: 2 threads, all orders.
///
/// The consumer recycles one reference directly while another thread puts the other. The page comes back once, through
/// cache or ring, and whoever allocates it next is alone with its bytes.
#[test]
fn direct_recycling_against_a_put() {
    check("direct_recycling_against_a_put", None, || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let mine = pool.alloc().unwrap();
        let putter = world.put_on_thread(mine.get());
        world.bytes.of(mine.borrow()).with(|_| ());
        pool.recycle_direct(mine);
        if let Some(mut memory) = pool.alloc() {
            world.bytes.alone(memory.borrow());
            assert!(memory.bytes_mut().is_some());
            assert!(pool.alloc().is_none(), "one page came twice");
            pool.recycle_direct(memory);
        }
        join(putter);
        assert_eq!(pool.in_use(), 0);
        drop(pool);
        world.end();
    });
}

/// Bounds: 2 threads, 5 preemptions.
///
/// As above, but the pool goes too: a put that finds the ring closed gives the page back on its own thread, after the
/// consumer's last use of it.
#[test]
fn direct_recycling_and_the_drop_of_the_pool_against_a_put() {
    check("direct_recycling_and_the_drop_of_the_pool_against_a_put", Some(5), || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let mine = pool.alloc().unwrap();
        let putter = world.put_on_thread(mine.get());
        world.bytes.of(mine.borrow()).with(|_| ());
        pool.recycle_direct(mine);
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, all orders.
///
/// A handle becomes a frag, which gives bytes, only when the other reference is gone, and after that one's last use.
#[test]
fn bytes_come_after_the_last_use_of_others() {
    check("bytes_come_after_the_last_use_of_others", None, || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let mine = pool.alloc().unwrap();
        let putter = world.put_on_thread(mine.get());
        match mine.into_frag() {
            Ok(frag) => world.bytes.alone(frag.borrow()),
            Err(mine) => world.bytes.put(mine),
        }
        join(putter);
        drop(pool);
        world.end();
    });
}

/// Bounds: 2 threads, all orders.
///
/// The consumer cuts fragments off a page while another thread puts one, and goes on with the same page when nobody has
/// it any more: only after the last use of the fragment that was put.
#[test]
fn a_fragment_page_is_cut_again_after_its_last_use() {
    check("a_fragment_page_is_cut_again_after_its_last_use", None, || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let (frag, bytes) = (pool.alloc_frag(4096).unwrap(), world.bytes.clone());
        let putter = spawn(move || bytes.put_frag(frag));
        if let Some(frag) = pool.alloc_frag(4096) {
            world.bytes.alone(frag.borrow());
        }
        join(putter);
        drop(pool);
        world.end();
    });
}

/// Bounds: 3 threads, 2 preemptions.
///
/// As above with two fragments that are put on two threads, and the consumer asks twice: while
/// one of them is out it gets no bytes of that page, even though a fragment of the same size is back.
#[test]
fn a_fragment_page_is_cut_again_after_two_last_uses() {
    check("a_fragment_page_is_cut_again_after_two_last_uses", Some(2), || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let putters = [pool.alloc_frag(2048).unwrap(), pool.alloc_frag(2048).unwrap()].map(|frag| {
            let bytes = world.bytes.clone();
            spawn(move || bytes.put_frag(frag))
        });
        let again = [pool.alloc_frag(2048), pool.alloc_frag(2048)];
        if let Some(frag) = again.iter().flatten().next() {
            world.bytes.alone(frag.borrow());
        }
        drop(again);
        putters.into_iter().for_each(join);
        drop(pool);
        world.end();
    });
}

/// Bounds: 2 threads, all orders.
///
/// A page that fragments are cut from is cut again only when mm's other reference to it is gone, after its last use.
#[test]
fn a_fragment_page_is_not_cut_again_while_mm_counts_on_it() {
    check("a_fragment_page_is_not_cut_again_while_mm_counts_on_it", None, || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let frag = pool.alloc_frag(4096).unwrap();
        let (extra, bytes) = (get_page(frag.borrow().page()), world.bytes.clone());
        let putter = spawn(move || {
            bytes.page(&extra).with(|_| ());
            put_page(extra);
        });
        world.bytes.put_frag(frag);
        if let Some(frag) = pool.alloc_frag(4096) {
            world.bytes.alone(frag.borrow());
        }
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, all orders.
///
/// A page that mm holds a reference to leaves the pool, by a put, while that reference goes on another thread. Whoever
/// is last frees the page, and the next owner comes after the last use of either.
#[test]
fn references_of_mm_against_a_put() {
    check("references_of_mm_against_a_put", None, || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let memory = pool.alloc().unwrap();
        let (extra, bytes, zone) = (get_page(memory.borrow().page()), world.bytes.clone(), world.zone.clone());
        let putter = spawn(move || put_page_and_reuse(extra, &zone, &bytes));
        world.bytes.put(memory);
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, all orders.
///
/// Two references of mm's are put on two threads, and each tries to allocate the page. The next owner's use of it comes
/// after the last use of both.
#[test]
fn the_last_two_references_of_mm() {
    check("the_last_two_references_of_mm", None, || {
        let world = World::new(1);
        let page = world.zone.alloc(0).unwrap();
        let (extra, bytes, zone) = (get_page(page.page()), world.bytes.clone(), world.zone.clone());
        let putter = spawn(move || put_page_and_reuse(extra, &zone, &bytes));
        put_page_and_reuse(page.into(), &world.zone, &world.bytes);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, 5 preemptions.
///
/// A page is looked up by the address of its block's second half while the block is freed and the zone allocates
/// smaller ones. What is found has that byte, at that time, and keeps it: the block of then, or the page of now.
#[test]
fn a_look_up_against_a_free() {
    check("a_look_up_against_a_free", Some(5), || {
        let world = World::new(2);
        let block = world.zone.alloc(1).unwrap();
        let (half, address) = (page_to_pfn(block.page()) + 1, block.bytes()[PAGE_SIZE..].as_ptr().addr());
        let zone = world.zone.clone();
        let freer = spawn(move || {
            drop(block);
            drop((zone.alloc(0), zone.alloc(0)));
        });
        if let Some(page) = world.zone.virt_to_page(std::ptr::without_provenance(address)) {
            let first = page_to_pfn(&page);
            let order = compound_order(&page);
            assert!((first..first + (1 << order)).contains(&half), "{first} of order {order} has no {half}");
            assert!(page_ref_count(&page) >= 1);
        }
        join(freer);
        world.end();
    });
}

/// Uses and puts a page, and writes it if it can be allocated again.
fn put_page_and_reuse(page: PageRef, zone: &Zone, bytes: &Bytes) {
    bytes.page(&page).with(|_| ());
    put_page(page);
    if let Some(next) = zone.alloc(0) {
        bytes.page(next.page()).with_mut(|_| ());
    }
}
