//! Pools whose providers, devices and hooks fail: what fails is told, and nothing is lost, leaked or left mapped.
//!
//! Everything goes through the public traits, as a driver's or a provider's author would write them.

use netmem::mm::{FreePage, PAGE_SIZE, Zone, get_page, put_page};
use netmem::page_pool::{Batch, InitCallback, PagePoolParams, PoolError, PoolHooks, PoolId, ProviderError, Refill};
use netmem::provider::PageProvider;
use netmem::{MemoryProvider, NetIov, Netmem, NetmemRef, Page, PagePool};
use netmem_sim::dma::DmaBus;
use netmem_sim::kit::{Altered, Bank, Iovs, Watched, panics};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

const CACHE: usize = PagePoolParams::CACHE;
const REFILL: usize = PagePoolParams::REFILL;

/// Pages of a zone, unless `fails` says so: it is given the number of the call.
struct Flaky {
    zone: Zone,
    calls: AtomicU64,
    failed: AtomicU64,
    fails: fn(u64) -> bool,
}

impl Flaky {
    fn new(frames: usize, fails: fn(u64) -> bool) -> Arc<Self> {
        Arc::new(Flaky { zone: Zone::new(frames).unwrap(), calls: AtomicU64::new(0), failed: AtomicU64::new(0), fails })
    }
}

impl MemoryProvider for Flaky {
    type Kind = Page;
    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
        Ok((PAGE_SIZE as u32) << params.order)
    }
    fn alloc(&self, out: &mut Refill<'_, Page>) {
        // A few at a time, so that it is called often.
        for _ in 0..out.wanted().min(3) {
            if (self.fails)(self.calls.fetch_add(1, SeqCst)) {
                self.failed.fetch_add(1, SeqCst);
                return;
            }
            let Some(page) = self.zone.alloc(out.order()) else { return };
            drop(out.push(page));
        }
    }
    fn release(&self, page: FreePage) {
        drop(page);
    }
}

/// Takes and gives in every way for a while.
fn exercise(pool: &mut PagePool<Page>, rounds: u32) {
    let (mut held, mut frags) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        match round % 7 {
            0 => frags.extend(pool.alloc_frag(1 + round * 89 % 4096)),
            1 => frags.extend(pool.alloc_at_least(1 + round * 31 % 4096)),
            2 => {
                let mut batch = Batch::new();
                let got = pool.alloc_bulk(&mut batch);
                assert_eq!(batch.len(), got);
                held.extend(std::iter::from_fn(|| batch.pop()));
            }
            3 => held.extend(pool.alloc()),
            4 => {
                let half = held.len() / 2;
                held.drain(..half).for_each(|memory| pool.recycle_direct(memory));
                frags.truncate(frags.len() / 2);
            }
            5 => {
                let mut batch = Batch::new();
                held.drain(held.len() / 2..).for_each(|memory| batch.put(memory));
            }
            _ => {
                let put: Vec<_> = held.drain(..held.len() / 3).collect();
                std::thread::spawn(move || drop(put)).join().unwrap();
            }
        }
        assert!(pool.in_use() <= held.len() + frags.len() && pool.in_use() <= pool.inflight());
    }
}

/// Allocation fails every n-th time, for good after a while, and in bursts.
#[test]
fn a_provider_that_has_nothing_now_and_then() {
    let patterns: [fn(u64) -> bool; 5] =
        [|call| call % 2 == 0, |call| call % 5 == 4, |call| call / 40 % 2 == 1, |call| call > 100, |_| true];
    for fails in patterns {
        let device = Watched::new(true);
        let provider = Flaky::new(512, fails);
        let params = PagePoolParams { pool_size: 16, ..PagePoolParams::for_device(device.clone(), 4096) };
        let mut pool = PagePool::<Page>::new(params, provider.clone()).unwrap();
        exercise(&mut pool, 700);
        assert!(provider.failed.load(SeqCst) > 0, "it should have failed");
        assert_eq!(512 - provider.zone.free_frames(), pool.inflight());
        drop(pool);
        assert_eq!((provider.zone.free_frames(), device.stats().mapped(), device.stats().faults), (512, 0, 0));
        assert_eq!((Arc::strong_count(&provider), Arc::strong_count(&device)), (1, 1));
    }
}

/// The device maps every n-th page only, nothing in bursts, or nothing at all.
#[test]
fn a_device_that_cannot_map_now_and_then() {
    let patterns: [fn(u64) -> bool; 4] =
        [|number| number % 3 != 0, |number| number / 100 % 2 == 1, |number| number > 150, |_| true];
    for refuses in patterns {
        for order in [0, 2] {
            let device = Watched::new(false);
            device.refuse(refuses);
            let zone = Zone::new(512).unwrap();
            let params = PagePoolParams { pool_size: 16, order, ..PagePoolParams::for_device(device.clone(), 4096) };
            let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
            exercise(&mut pool, 350);
            let (inflight, free) = (pool.inflight(), zone.free_frames());
            assert_eq!(device.stats().mapped(), inflight as u64, "what is in the pool is mapped, and nothing else");
            assert_eq!(inflight << order, 512 - free, "what could not be mapped is back");
            drop(pool);
            assert_eq!((zone.free_frames(), device.stats().mapped(), device.stats().faults), (512, 0, 0));
            assert!(device.refused() > 0, "it should have refused");
        }
    }
}

/// What a driver does when nothing comes: it waits, and memory that comes back serves it.
#[test]
fn a_pool_recovers_when_memory_comes_back() {
    let bank = Bank::new(64);
    bank.allow(2);
    let mut pool = PagePool::<Page>::new(PagePoolParams::default(), bank.clone()).unwrap();
    let held = [pool.alloc().unwrap(), pool.alloc().unwrap()];
    assert!(pool.alloc().is_none() && pool.alloc_frag(64).is_none() && pool.alloc_at_least(3000).is_none());
    assert_eq!(pool.alloc_bulk(&mut Batch::new()), 0);
    drop(held);
    assert!(pool.alloc_frag(64).is_some() && pool.alloc().is_some());
    bank.allow(usize::MAX);
    let mut batch = Batch::new();
    assert_eq!(pool.alloc_bulk(&mut batch), 63, "one page is being cut into fragments");
    drop((pool, batch));
    assert_eq!(bank.free(), [64, 64]);
}

/// A provider that refuses, or names a size that no piece can have: no pool, a reason, and `destroy` for each `init` that
/// had said `Ok`.
#[test]
fn a_provider_that_refuses_or_lies_gives_no_pool() {
    /// It says that, and the number counts its ends.
    fn odd<P: MemoryProvider + 'static>(
        beneath: Arc<P>,
        said: Result<u32, &'static str>,
    ) -> (Arc<Altered<P>>, Arc<AtomicU32>) {
        let ends = Arc::new(AtomicU32::new(0));
        let count = ends.clone();
        let odd = Altered::of(beneath).init(move |_, _| said.map_err(ProviderError::Other));
        (odd.destroy(move |_| _ = count.fetch_add(1, SeqCst)).into_arc(), ends)
    }
    let device = Watched::new(true);
    for said in [Err("not today"), Ok(0), Ok(1), Ok(4095), Ok(8192), Ok(u32::MAX)] {
        let (odd, ends) = odd(PageProvider::new(Zone::new(1).unwrap()), said);
        let params = PagePoolParams::for_device(device.clone(), 1);
        let error = PagePool::<Page>::new(params, odd.clone()).map(drop).unwrap_err();
        match said {
            Err(why) => assert_eq!(error, PoolError::Provider(ProviderError::Other(why))),
            Ok(size) => assert_eq!(error, PoolError::PieceSize { size, order: 0 }),
        }
        assert_eq!(ends.load(SeqCst), u32::from(said.is_ok()), "destroy");
        assert_eq!(Arc::strong_count(&odd), 1);
    }
    for size in [0, 2048, 4097, 3 << 12, u32::MAX] {
        let (odd, ends) = odd(Iovs::with(Vec::new(), true), Ok(size));
        let params = PagePoolParams::for_device(device.clone(), 1);
        let error = PagePool::<NetIov>::new(params, odd.clone()).map(drop).unwrap_err();
        assert_eq!(error, PoolError::PieceSize { size, order: 0 });
        assert_eq!((ends.load(SeqCst), Arc::strong_count(&odd)), (1, 1));
    }
    assert_eq!((device.stats().maps, Arc::strong_count(&device)), (0, 1));
}

/// A provider whose pieces are not what it said: each comes back to it, and the good ones among them are kept.
#[test]
fn pieces_that_do_not_fit_come_back_and_others_stay() {
    /// A good page, two pages in one, a page that mm holds, and too many good ones.
    struct Mixed(Zone, AtomicU32);
    impl MemoryProvider for Mixed {
        type Kind = Page;
        fn init(&self, _params: &PagePoolParams) -> Result<u32, ProviderError> {
            Ok(PAGE_SIZE as u32)
        }
        fn alloc(&self, out: &mut Refill<'_, Page>) {
            out.push(self.0.alloc(0).unwrap()).unwrap();
            assert_eq!(out.wanted(), REFILL - 1);
            let two = out.push(self.0.alloc(1).unwrap()).unwrap_err();
            assert_eq!(two.bytes().len(), 2 * PAGE_SIZE);
            let held = self.0.alloc(0).unwrap();
            let extra = get_page(held.page());
            let held = out.push(held).unwrap_err();
            put_page(extra);
            assert_eq!(out.wanted(), REFILL - 1, "neither was taken");
            out.push(held).expect("it is alone now");
            while let Some(page) = self.0.alloc(0) {
                if let Err(page) = out.push(page) {
                    assert_eq!(out.wanted(), 0);
                    self.1.fetch_add(1, SeqCst);
                    drop(page);
                    break;
                }
            }
        }
        fn release(&self, page: FreePage) {
            drop(page);
        }
    }
    let device = Watched::new(true);
    let mixed = Arc::new(Mixed(Zone::new(256).unwrap(), AtomicU32::new(0)));
    let params = PagePoolParams::for_device(device.clone(), 4096);
    let mut pool = PagePool::<Page>::new(params, mixed.clone()).unwrap();
    let memory = pool.alloc().unwrap();
    assert_eq!((pool.inflight(), mixed.1.load(SeqCst)), (REFILL, 1));
    assert_eq!((mixed.0.free_frames(), device.stats().mapped()), (256 - REFILL, REFILL as u64));
    drop((pool, memory));
    assert_eq!((mixed.0.free_frames(), device.stats().mapped()), (256, 0));
}

/// Device memory that was mapped for another device, or is cut into other sizes, is refused piece by piece.
#[test]
fn net_iovs_that_do_not_fit_come_back() {
    // Says 8192, and has 4096.
    let (device, other) = (Watched::new(true), Watched::new(true));
    let iovs = Iovs::new(device.clone(), 8);
    let foreign = PagePoolParams::for_device(other, 4096);
    let mut pool = PagePool::<NetIov>::new(foreign, iovs.clone()).unwrap();
    assert!(pool.alloc().is_none() && pool.alloc_frag(64).is_none());
    drop(pool);
    let params = PagePoolParams::for_device(device, 4096);
    let larger = Altered::of(iovs.clone()).init(|_, _| Ok(8192)).into_arc();
    let mut pool = PagePool::<NetIov>::new(params, larger).unwrap();
    assert!(pool.alloc().is_none() && pool.alloc_bulk(&mut Batch::new()) == 0);
    assert_eq!((pool.inflight(), iovs.free()), (0, 8));
}

/// A ring of one, and threads that put at once: one word fits, the rest goes to mm, whoever puts it.
#[test]
fn a_ring_that_is_always_full() {
    let device = Watched::new(true);
    let zone = Zone::new(1024).unwrap();
    let params = PagePoolParams { pool_size: 1, ..PagePoolParams::for_device(device.clone(), 4096) };
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
    let putters: Vec<_> = (0..4)
        .map(|number| {
            let (send, receive) = mpsc::sync_channel::<Netmem<Page>>(64);
            let put = move || {
                let mut batch = Batch::new();
                receive.into_iter().for_each(|memory| if number % 2 == 0 { drop(memory) } else { batch.put(memory) });
            };
            (send, std::thread::spawn(put))
        })
        .collect();
    for round in 0..5000 {
        let memory = pool.alloc().unwrap();
        putters[round % 4].0.send(memory).unwrap();
    }
    let threads: Vec<_> = putters.into_iter().map(|(_, thread)| thread).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let stats = pool.stats();
    assert_eq!(pool.in_use(), 0);
    assert!(stats.recycle_ring_full > 0 && stats.recycle_ring > 0);
    assert_eq!(device.stats().mapped(), pool.inflight() as u64);
    drop(pool);
    assert_eq!((zone.free_frames(), device.stats().mapped(), device.stats().faults), (1024, 0, 0));
}

/// A device is unplugged while memory is out. The pool still gives what it has and then nothing; its owner drops it, and
/// that unmaps all that is out. From then on nobody calls the device any more, whatever is dropped, and it is freed with
/// the last handle.
#[test]
fn a_device_that_goes_while_memory_is_out() {
    let zone = Zone::new(256).unwrap();
    let device = Watched::new(true);
    let params = PagePoolParams { pool_size: 8, ..PagePoolParams::for_device(device.clone(), 4096) };
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
    let mut held: Vec<_> = (0..40).map(|_| pool.alloc().unwrap()).collect();
    let frag = pool.alloc_frag(100).unwrap();
    let extra = get_page(held[0].borrow().page());
    device.refuse(|_| true);
    held.extend(std::iter::from_fn(|| pool.alloc()));
    assert_eq!((held.len(), pool.in_use()), (63, 64));
    drop(held.drain(..10).collect::<Vec<_>>()); // 8 to the ring, 2 out: mm holds one, and the ring is full
    let shutdown = pool.shutdown(Duration::ZERO);
    assert_eq!((device.stats().mapped(), device.stats().unmaps, shutdown.inflight()), (0, 64, 54));
    device.unplug();
    let half = held.split_off(30);
    std::thread::spawn(move || drop(half)).join().unwrap();
    let mut batch = Batch::new();
    held.into_iter().for_each(|memory| batch.put(memory));
    drop(batch);
    assert_eq!((shutdown.inflight(), shutdown.is_done()), (1, false));
    drop(frag);
    assert!(shutdown.is_done());
    drop(shutdown);
    assert_eq!((device.late(), device.stats().unmaps, device.stats().faults), (0, 64, 0));
    put_page(extra);
    assert_eq!((zone.free_frames(), Arc::strong_count(&device)), (256, 1));
}

/// The device goes first, the pool after it: what the owner drops is still unmapped, once.
#[test]
fn a_device_that_goes_before_its_pool() {
    let zone = Zone::new(64).unwrap();
    let device = Watched::new(true);
    let params = PagePoolParams::for_device(device.clone(), 4096);
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
    let held = [pool.alloc().unwrap(), pool.alloc().unwrap()];
    device.unplug();
    drop(pool);
    assert_eq!((device.stats().mapped(), device.late()), (0, 64), "64 unmaps, and nothing else");
    drop(held);
    assert_eq!((zone.free_frames(), device.late()), (64, 64));
}

/// Panics when it is told to, at one of the points.
#[derive(Default)]
struct Panics {
    hold: AtomicU32,
    release: AtomicU32,
}

impl Panics {
    fn at(count: &AtomicU32, what: &str) {
        if count.load(SeqCst) != 0 && count.fetch_sub(1, SeqCst) == 1 {
            panic!("{what}");
        }
    }
}

impl PoolHooks for Panics {
    fn state_hold(&self, _pool: PoolId, _memory: NetmemRef<'_>, _held: u32) {
        Panics::at(&self.hold, "hold");
    }
    fn state_release(&self, _pool: PoolId, _memory: NetmemRef<'_>, _released: u32) {
        Panics::at(&self.release, "release");
    }
}

/// A hook that panics leaks the piece that it was told of, and with it the pool, as documented; and nothing else. The
/// pool stays usable, and when its owner drops it the leaked piece is unmapped, too.
#[test]
fn a_hook_that_panics_leaks_one_piece() {
    for at_release in [false, true] {
        let zone = Zone::new(256).unwrap();
        let device = Watched::new(true);
        let hooks = Arc::new(Panics::default());
        let params = PagePoolParams {
            hooks: Some(hooks.clone()),
            pool_size: 1,
            ..PagePoolParams::for_device(device.clone(), 4096)
        };
        let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
        if at_release {
            let held: [_; 2] = std::array::from_fn(|_| pool.alloc().unwrap());
            let [first, second] = held;
            drop(first);
            hooks.release.store(1, SeqCst);
            panics(|| drop(second));
            // Still in flight, as far as anybody knows: it was never released.
            assert_eq!((pool.inflight(), pool.in_use()), (64, 1));
        } else {
            hooks.hold.store(11, SeqCst);
            panics(|| drop(pool.alloc()));
            // Ten came in whole; the eleventh is lost.
            assert_eq!((pool.inflight(), pool.in_use()), (11, 1));
        }
        let rest: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
        assert_eq!((rest.len(), zone.free_frames()), (255, 0));
        let shutdown = pool.shutdown(Duration::ZERO);
        assert_eq!((device.stats().mapped(), device.stats().faults), (0, 0));
        drop(rest);
        assert_eq!((zone.free_frames(), shutdown.inflight()), (255, 1), "one piece is lost, and no more");
        drop(shutdown);
        assert_eq!(Arc::strong_count(&device), 2, "the pool is lost with it");
    }
}

/// An init callback that panics: the same.
#[test]
fn an_init_callback_that_panics_leaks_one_piece() {
    let zone = Zone::new(64).unwrap();
    let bombs = Arc::new(AtomicU32::new(1));
    let inner = bombs.clone();
    let init: InitCallback = Arc::new(move |_, bytes| {
        bytes.unwrap().fill(1);
        Panics::at(&inner, "init");
    });
    let params = PagePoolParams { init_callback: Some(init), ..Default::default() };
    let mut pool = PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap();
    panics(|| drop(pool.alloc()));
    let held: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
    assert_eq!((held.len(), pool.inflight(), bombs.load(SeqCst)), (63, 64, 0));
    drop((held, pool));
    assert_eq!(zone.free_frames(), 63);
}

/// A provider that panics in `alloc`, after it gave some: the caller gets the panic, and the pool stays usable with what
/// it got. One that panics in `release` leaks that piece.
#[test]
fn a_provider_that_panics() {
    struct Bomb(Zone, AtomicU32, AtomicU32);
    impl MemoryProvider for Bomb {
        type Kind = Page;
        fn init(&self, _params: &PagePoolParams) -> Result<u32, ProviderError> {
            Ok(PAGE_SIZE as u32)
        }
        fn alloc(&self, out: &mut Refill<'_, Page>) {
            while out.wanted() > 32 {
                let Some(page) = self.0.alloc(0) else { return };
                out.push(page).unwrap();
            }
            Panics::at(&self.1, "alloc");
        }
        fn release(&self, page: FreePage) {
            Panics::at(&self.2, "release");
            drop(page);
        }
    }
    let device = Watched::new(true);
    let bomb = Arc::new(Bomb(Zone::new(64).unwrap(), AtomicU32::new(1), AtomicU32::new(0)));
    let params = PagePoolParams { pool_size: 1, ..PagePoolParams::for_device(device.clone(), 4096) };
    let mut pool = PagePool::<Page>::new(params, bomb.clone()).unwrap();
    panics(|| drop(pool.alloc()));
    assert_eq!((pool.inflight(), pool.in_use()), (32, 0), "what it gave before is in the cache");
    let mut held: Vec<_> = (0..32).map(|_| pool.alloc().unwrap()).collect();
    drop(held.pop());
    bomb.2.store(1, SeqCst);
    let second = held.pop().unwrap();
    panics(|| drop(second));
    // The page was a value in the provider's hands: unwinding dropped it there. What is lost is the pool.
    assert_eq!((pool.inflight(), pool.in_use(), bomb.0.free_frames()), (32, 31, 33));
    drop((pool, held));
    assert_eq!((bomb.0.free_frames(), device.stats().mapped(), device.stats().faults), (64, 0, 0));
    assert_eq!(Arc::strong_count(&bomb), 2, "the pool waits for a piece that never comes back");
}

/// A batch of handles of pools that are gone, shutting down and alive: each finds its way.
#[test]
fn a_batch_over_pools_in_every_state() {
    let zone = Zone::new(512).unwrap();
    let device = Watched::new(true);
    let mut batch = Batch::new();
    let make = || {
        let params = PagePoolParams { pool_size: 4, ..PagePoolParams::for_device(device.clone(), 4096) };
        PagePool::<Page>::new(params, PageProvider::new(zone.clone())).unwrap()
    };
    let mut pools = [make(), make(), make()];
    for i in 0..60 {
        batch.push(pools[i % 3].alloc().unwrap()).unwrap();
    }
    let [gone, going, mut alive] = pools;
    drop(gone);
    let shutdown = going.shutdown(Duration::ZERO);
    alive.recycle_bulk(&mut batch);
    assert!(batch.is_empty() && shutdown.is_done());
    let stats = alive.stats();
    assert_eq!((stats.recycle_cached, stats.recycle_ring, alive.in_use()), (20, 0, 0));
    assert_eq!((zone.free_frames(), device.stats().mapped()), (512 - 64, 64));
    drop((alive, shutdown));
    assert_eq!((zone.free_frames(), device.stats().mapped(), device.stats().faults), (512, 0, 0));
}

/// A provider that keeps a handle of the pool it serves, and gives it back from `alloc`: the pool takes it, with the
/// cache as large as it gets, and nothing counts as recycled.
#[test]
fn a_provider_that_returns_what_it_kept() {
    struct Keeper(Zone, Mutex<Vec<Netmem<Page>>>);
    impl MemoryProvider for Keeper {
        type Kind = Page;
        fn init(&self, _params: &PagePoolParams) -> Result<u32, ProviderError> {
            Ok(PAGE_SIZE as u32)
        }
        fn alloc(&self, out: &mut Refill<'_, Page>) {
            let kept = std::mem::take(&mut *self.1.lock().unwrap());
            for memory in kept {
                if let Err(memory) = out.recycle(memory) {
                    self.1.lock().unwrap().push(memory);
                }
            }
            while let Some(page) = self.0.alloc(0) {
                if out.push(page).is_err() {
                    return;
                }
            }
        }
        fn release(&self, page: FreePage) {
            drop(page);
        }
        fn uninstall(&self) {
            drop(std::mem::take(&mut *self.1.lock().unwrap()));
        }
    }
    let keeper = Arc::new(Keeper(Zone::new(256).unwrap(), Mutex::default()));
    let mut pool = PagePool::<Page>::new(PagePoolParams::default(), keeper.clone()).unwrap();
    let kept: Vec<_> = (0..CACHE).map(|_| pool.alloc().unwrap()).collect();
    *keeper.1.lock().unwrap() = kept;
    let memory = pool.alloc().unwrap();
    assert_eq!((pool.inflight(), keeper.1.lock().unwrap().len()), (CACHE, CACHE - REFILL), "64 were taken back");
    assert_eq!(pool.stats().recycle_cached, 0);
    pool.provider().uninstall();
    drop((pool, memory));
    assert_eq!(keeper.0.free_frames(), 256);
}
