//! The pool: order, ring, references, shutdown. Rules O1, O2, O5, O6 and D3 where they are checked at run time.

use netmem::mm::{FreePage, Zone, get_page, put_page};
use netmem::page_pool::{
    AnyProvider, Batch, InitCallback, PagePoolParams, PoolError, PoolFlags, PoolHooks, PoolId, ProviderError, Refill,
};
use netmem::provider::PageProvider;
use netmem::{Backing, FreeIov, MemoryProvider, NetIov, Netmem, NetmemRef, Page, PagePool, Shares};
use netmem_sim::dma::{Bounce, Coherent, DmaBus, Iommu};
use netmem_sim::kit::Iovs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn pages(zone: &Zone) -> Arc<PageProvider> {
    PageProvider::new(zone.clone())
}

fn small_ring(pool_size: u32) -> PagePoolParams {
    PagePoolParams { pool_size, ..Default::default() }
}

#[test]
fn the_cache_is_lifo_and_the_ring_refills_it() {
    let zone = Zone::new(256).unwrap();
    let mut pool = PagePool::<Page>::new(small_ring(8), pages(&zone)).unwrap();
    let (first, second) = (pool.alloc().unwrap(), pool.alloc().unwrap());
    assert_eq!(pool.inflight(), 64, "a refill of 64 came in");
    assert_eq!(pool.in_use(), 2);
    let word = first.borrow().as_raw();
    pool.recycle_direct(first);
    let first = pool.alloc().unwrap();
    assert_eq!(first.borrow().as_raw(), word);
    drop(second);
    let stats = pool.stats();
    assert_eq!((stats.alloc_slow, stats.alloc_fast, stats.recycle_cached, stats.recycle_ring), (1, 2, 1, 1));
    let rest: Vec<_> = (0..63).map(|_| pool.alloc().unwrap()).collect();
    assert_eq!(pool.stats().alloc_refill, 1, "the last one came through the ring");
    drop((rest, first));
    drop(pool);
    assert_eq!(zone.free_frames(), 256);
}

#[test]
fn the_last_handle_frees_the_pool_on_any_thread() {
    let zone = Zone::new(64).unwrap();
    let mut pool = PagePool::<Page>::new(small_ring(8), pages(&zone)).unwrap();
    let first = pool.alloc().unwrap();
    let second = first.get();
    drop(pool);
    drop(first);
    assert_eq!(zone.free_frames(), 63);
    std::thread::spawn(move || drop(second)).join().unwrap();
    assert_eq!(zone.free_frames(), 64);
}

#[test]
fn a_handle_returns_to_its_own_pool() {
    let zone = Zone::new(256).unwrap();
    let mut pool = PagePool::<Page>::new(small_ring(8), pages(&zone)).unwrap();
    let mut other = PagePool::<Page>::new(small_ring(8), pages(&zone)).unwrap();
    let memory = pool.alloc().unwrap();
    other.recycle_direct(memory);
    assert_eq!((pool.stats().recycle_ring, other.stats().recycle_cached), (1, 0));
}

#[test]
fn o6_bytes_need_a_handle_that_is_alone() {
    let zone = Zone::new(64).unwrap();
    let mut pool = PagePool::<Page>::new(small_ring(8), pages(&zone)).unwrap();
    let mut memory = pool.alloc().unwrap();
    let second = memory.get();
    assert!(memory.bytes_mut().is_none(), "two references of the pool's");
    let memory_back = memory.share(2).unwrap_err().back.into_frag().unwrap_err();
    memory = memory_back;
    drop(second);
    let extra = get_page(memory.borrow().page());
    assert!(memory.bytes_mut().is_none(), "a reference of mm's");
    put_page(extra);
    memory.bytes_mut().unwrap().fill(3);
    assert_eq!(memory.into_frag().unwrap().bytes()[4095], 3);
}

#[test]
fn o2_shares_hold_their_count() {
    let zone = Zone::new(64).unwrap();
    let mut pool = PagePool::<Page>::new(small_ring(8), pages(&zone)).unwrap();
    assert!(pool.alloc().unwrap().share(0).is_err());
    let mut shares: Shares<Page> = pool.alloc().unwrap().share(2).unwrap();
    let handles = [shares.take().unwrap(), shares.take().unwrap()];
    assert!(shares.take().is_none());
    drop(shares);
    assert_eq!(handles[0].pp_ref_count(), 2);
    drop(handles);
    assert_eq!(pool.stats().recycle_ring, 2);
}

#[test]
fn fragments_share_a_page_and_the_pool_reuses_it() {
    let zone = Zone::new(64).unwrap();
    let mut pool = PagePool::<Page>::new(small_ring(8), pages(&zone)).unwrap();
    let frags: Vec<_> = (0..3).map(|_| pool.alloc_frag(2048).unwrap()).collect();
    assert_eq!(frags.iter().map(|frag| frag.offset()).collect::<Vec<_>>(), [0, 2048, 0]);
    assert_eq!(frags[0].borrow(), frags[1].borrow());
    assert_ne!(frags[1].borrow(), frags[2].borrow());
    let third = frags[2].borrow().as_raw();
    drop(frags);
    assert_eq!(pool.stats().recycle_ring, 1, "the first page; the second is still being cut");
    let next = pool.alloc_frag(4096).unwrap();
    assert_eq!(next.borrow().as_raw(), third, "nobody had the second page any more");
    assert_eq!((pool.stats().recycle_cached, pool.stats().alloc_fast), (1, 2));
    assert!(pool.alloc_frag(0).is_none() && pool.alloc_frag(4097).is_none());
    drop((next, pool));
    assert_eq!(zone.free_frames(), 64);
}

#[test]
fn odd_fragment_sizes_do_not_overlap() {
    let zone = Zone::new(64).unwrap();
    let mut pool = PagePool::<Page>::new(small_ring(8), pages(&zone)).unwrap();
    let mut frags: Vec<_> = (0..40).map(|i| pool.alloc_frag(1 + i * 97 % 3000).unwrap()).collect();
    for (i, frag) in frags.iter_mut().enumerate() {
        frag.bytes_mut().fill(i as u8);
    }
    assert!(frags.iter().enumerate().all(|(i, frag)| frag.bytes().iter().all(|&byte| byte == i as u8)));
}

#[test]
fn pages_that_others_hold_leave_the_pool_unmapped() {
    let zone = Zone::new(64).unwrap();
    let device = Arc::new(Iommu::new());
    let params = PagePoolParams::for_device(device.clone(), 4096);
    let mut pool = PagePool::<Page>::new(params, pages(&zone)).unwrap();
    let memory = pool.alloc().unwrap();
    let extra = get_page(memory.borrow().page());
    drop(memory);
    assert_eq!(pool.stats().recycle_released_refcnt, 1);
    assert_eq!((device.stats().maps, device.stats().unmaps), (64, 1));
    assert_eq!(pool.inflight(), 63);
    drop(pool);
    assert_eq!(zone.free_frames(), 63, "one is held");
    put_page(extra);
    assert_eq!((zone.free_frames(), device.stats().mapped()), (64, 0));
}

#[test]
fn pages_of_the_reserve_leave_the_pool() {
    let zone = Zone::new(64).unwrap();
    zone.set_reserve(64);
    let mut pool = PagePool::<Page>::new(small_ring(8), pages(&zone)).unwrap();
    let (direct, ringed) = (pool.alloc().unwrap(), pool.alloc().unwrap());
    pool.recycle_direct(direct);
    drop(ringed);
    let stats = pool.stats();
    assert_eq!((stats.recycle_released_refcnt, stats.recycle_cached, stats.recycle_ring), (2, 0, 0));
    assert_eq!((pool.inflight(), zone.free_frames()), (62, 2));
}

#[test]
fn the_consumer_side_syncs_for_the_device() {
    let zone = Zone::new(64).unwrap();
    let device = Arc::new(Bounce::new());
    let mut pool = PagePool::<Page>::new(PagePoolParams::for_device(device.clone(), 4096), pages(&zone)).unwrap();
    let syncs = || device.stats().syncs_for_device;
    let all: Vec<_> = (0..64).map(|_| pool.alloc().unwrap()).collect();
    assert_eq!(syncs(), 64, "fresh memory; not what comes out of the cache");
    let mut all = all.into_iter();
    pool.recycle_direct(all.next().unwrap());
    assert_eq!(syncs(), 65, "a direct recycle");
    drop(all);
    assert_eq!(syncs(), 65, "a put touches no device");
    let two = (pool.alloc().unwrap(), pool.alloc().unwrap());
    assert_eq!((pool.stats().alloc_refill, syncs()), (1, 65 + 63), "a refill from the ring");
    drop(two);
}

#[test]
fn shutdown_unmaps_what_is_out_once() {
    let zone = Zone::new(64).unwrap();
    let device = Arc::new(Bounce::new());
    let mut pool = PagePool::<Page>::new(PagePoolParams::for_device(device.clone(), 4096), pages(&zone)).unwrap();
    let (direct, ringed, out) = (pool.alloc().unwrap(), pool.alloc().unwrap(), pool.alloc().unwrap());
    pool.recycle_direct(direct);
    drop(ringed);
    assert_eq!(pool.in_use(), 1);
    drop(pool);
    assert_eq!(device.stats().mapped(), 0, "nothing is mapped when the pool is gone");
    drop(out);
    let stats = device.stats();
    assert_eq!((stats.maps, stats.unmaps, stats.faults), (64, 64, 0));
    assert_eq!(zone.free_frames(), 64);
}

#[test]
fn kinds_are_checked_and_recovered() {
    let device = Arc::new(Coherent::new());
    let iovs = Iovs::new(device.clone(), 4);
    let params = PagePoolParams::for_device(device.clone(), 4096);
    let mut pool: PagePool = PagePool::new(params, AnyProvider::from(iovs.clone())).unwrap();
    assert!(pool.is_unreadable());
    let memory = pool.alloc().unwrap();
    assert!(memory.borrow().is_net_iov());
    let iov: Netmem<NetIov> = Netmem::<Page>::try_from(memory).unwrap_err();
    assert!(iov.borrow().net_iov().is_devmem() && iov.borrow().net_iov().area().num_niovs() == 4);
    let mut memory: Netmem = iov.into();
    assert_eq!(memory.bytes_mut().unwrap(), None, "alone, and without bytes");
    assert!(matches!(memory.borrow().backing(), Backing::NetIov(_)));
    drop(pool);
    drop(memory);
    assert_eq!(iovs.free(), 4);
    drop(iovs);
    assert_eq!(device.stats().mapped(), 0, "the area went with its last net_iov");
}

#[test]
fn o5_memory_of_another_device_is_refused() {
    let (mine, other) = (Arc::new(Coherent::new()), Arc::new(Coherent::new()));
    let iovs = Iovs::new(other, 4);
    let mut pool = PagePool::<NetIov>::new(PagePoolParams::for_device(mine, 4096), iovs.clone()).unwrap();
    assert!(pool.alloc().is_none());
    assert_eq!(iovs.free(), 4, "and handed back");
}

#[test]
fn o5_an_iov_outlives_pool_and_provider() {
    struct Once(Mutex<Vec<FreeIov>>);
    impl MemoryProvider for Once {
        type Kind = NetIov;
        fn init(&self, _params: &PagePoolParams) -> Result<u32, ProviderError> {
            Ok(4096)
        }
        fn alloc(&self, out: &mut Refill<'_, NetIov>) {
            if let Some(iov) = self.0.lock().unwrap().pop() {
                out.push(iov).unwrap();
            }
        }
        fn release(&self, iov: FreeIov) {
            drop(iov);
        }
    }
    let device = Arc::new(Iommu::new());
    let mut all = Iovs::new(device.clone(), 3).take();
    let stray = all.pop().unwrap();
    let params = PagePoolParams::for_device(device.clone(), 4096);
    let mut pool = PagePool::<NetIov>::new(params, Arc::new(Once(Mutex::new(all)))).unwrap();
    let memory = pool.alloc().unwrap();
    drop(pool);
    assert_eq!(memory.borrow().net_iov().index(), 1);
    drop(memory);
    assert_eq!((stray.net_iov().index(), device.stats().mapped()), (2, 1));
    drop(stray);
    assert_eq!(device.stats().mapped(), 0);
}

#[test]
fn a_refused_piece_comes_back() {
    /// Gives pages of the wrong order, and pages that somebody else holds.
    struct Odd(Zone, Mutex<usize>);
    impl MemoryProvider for Odd {
        type Kind = Page;
        fn init(&self, _params: &PagePoolParams) -> Result<u32, ProviderError> {
            Ok(4096)
        }
        fn alloc(&self, out: &mut Refill<'_, Page>) {
            let two = self.0.alloc(1).unwrap();
            let two: FreePage = out.push(two).unwrap_err();
            drop(two);
            let held = self.0.alloc(0).unwrap();
            let extra = get_page(held.page());
            assert!(out.push(held).is_err());
            put_page(extra);
            *self.1.lock().unwrap() += 2;
        }
        fn release(&self, _page: FreePage) {}
    }
    let zone = Zone::new(8).unwrap();
    let odd = Arc::new(Odd(zone.clone(), Mutex::new(0)));
    let mut pool = PagePool::<Page>::new(small_ring(8), odd.clone()).unwrap();
    assert!(pool.alloc().is_none());
    assert_eq!((*odd.1.lock().unwrap(), zone.free_frames()), (2, 8));
}

#[test]
fn a_provider_cannot_overstate_its_pieces() {
    /// Says a megabyte, and has pages.
    struct Boaster(Zone);
    impl MemoryProvider for Boaster {
        type Kind = Page;
        fn init(&self, _params: &PagePoolParams) -> Result<u32, ProviderError> {
            Ok(1 << 20)
        }
        fn alloc(&self, out: &mut Refill<'_, Page>) {
            out.push(self.0.alloc(0).unwrap()).unwrap();
        }
        fn release(&self, _page: FreePage) {}
    }
    let zone = Zone::new(8).unwrap();
    let refused = PagePool::<Page>::new(small_ring(8), Arc::new(Boaster(zone))).map(drop).unwrap_err();
    assert_eq!(refused, PoolError::PieceSize { size: 1 << 20, order: 0 });
}

#[test]
fn parameters_out_of_range_are_refused_with_a_reason() {
    let zone = Zone::new(64).unwrap();
    let device = Arc::new(Coherent::new());
    let base = PagePoolParams::for_device(device.clone(), 4096);
    let try_page = |params| PagePool::<Page>::new(params, pages(&zone)).map(drop).unwrap_err();
    let cases = [
        (PagePoolParams { flags: PoolFlags::from_bits_retain(0x100), ..base.clone() }, "unknown"),
        (PagePoolParams { device: None, ..base.clone() }, "without a device"),
        (PagePoolParams { direction: netmem::dma::DmaDirection::ToDevice, ..base.clone() }, "ToDevice"),
        (PagePoolParams { flags: PoolFlags::DMA_SYNC_DEV, ..base.clone() }, "without DMA_MAP"),
        (PagePoolParams { max_len: 0, ..base.clone() }, "max_len 0"),
        (
            PagePoolParams { device: Some(Arc::new(Bounce::new())), flags: PoolFlags::DMA_MAP, ..base.clone() },
            "the device needs syncs",
        ),
        (PagePoolParams { offset: 1, ..base.clone() }, "leave a memory of 4096"),
        (PagePoolParams { offset: u32::MAX, ..base.clone() }, "leave a memory of 4096"),
        (PagePoolParams { order: 11, ..base.clone() }, "at most 10"),
    ];
    for (params, text) in cases {
        let error = try_page(params).to_string();
        assert!(error.contains(text), "{error:?} does not say {text:?}");
    }
    let bare = PagePool::<NetIov>::new(PagePoolParams::default(), Iovs::new(device.clone(), 1)).map(drop).unwrap_err();
    assert_eq!(bare, PoolError::Provider(ProviderError::NeedsDma));
    assert!(PagePool::<Page>::new(small_ring(1 << 20), pages(&zone)).is_ok(), "a long ring is cut");
}

#[test]
fn many_threads_lose_nothing() {
    let zone = Zone::new(2048).unwrap();
    for round in 0..10 {
        let mut pool = PagePool::<Page>::new(small_ring(64), pages(&zone)).unwrap();
        let (to_first, first) = std::sync::mpsc::sync_channel::<Netmem<Page>>(64);
        let (to_second, second) = std::sync::mpsc::sync_channel::<Netmem<Page>>(64);
        let putters = [
            std::thread::spawn(move || first.into_iter().for_each(drop)),
            std::thread::spawn(move || second.into_iter().for_each(drop)),
        ];
        for i in 0..20_000 + round {
            let memory = pool.alloc().unwrap();
            if i % 3 == 0 {
                to_second.send(memory.get()).unwrap();
            }
            if i % 2 == 0 { &to_first } else { &to_second }.send(memory).unwrap();
        }
        drop((pool, to_first, to_second));
        putters.into_iter().for_each(|putter| putter.join().unwrap());
        assert_eq!(zone.free_frames(), 2048);
    }
}

#[test]
fn the_last_fragment_gets_the_rest() {
    let zone = Zone::new(64).unwrap();
    let mut pool = PagePool::<Page>::new(small_ring(8), pages(&zone)).unwrap();
    let ranges: Vec<_> = [1500, 1500, 2049, 4096, 1000].map(|size| pool.alloc_at_least(size).unwrap()).into();
    let told: Vec<_> = ranges.iter().map(|frag| (frag.offset(), frag.len())).collect();
    assert_eq!(told, [(0, 1500), (1536, 2560), (0, 4096), (0, 4096), (0, 1000)]);
    let same = |a: usize, b: usize| ranges[a].borrow() == ranges[b].borrow();
    assert!(same(0, 1) && !same(0, 2) && !same(2, 3) && !same(3, 4) && !same(0, 4));
    assert!(pool.alloc_at_least(0).is_none() && pool.alloc_at_least(4097).is_none());
    drop((ranges, pool));
    assert_eq!(zone.free_frames(), 64);
}

#[test]
fn batches_go_round_and_each_handle_returns_to_its_pool() {
    let zone = Zone::new(512).unwrap();
    let mut one = PagePool::<Page>::new(small_ring(8), pages(&zone)).unwrap();
    let mut other = PagePool::<Page>::new(small_ring(64), pages(&zone)).unwrap();
    let mut batch = Batch::new();
    assert_eq!(one.alloc_bulk(&mut batch), 64);
    one.recycle_bulk(&mut batch);
    assert_eq!((one.stats().recycle_cached, batch.len()), (64, 0));

    // 20 of each, mixed, put together: one ring has room for 8, and says so once.
    for _ in 0..20 {
        batch.push(one.alloc().unwrap()).unwrap();
        batch.push(other.alloc().unwrap()).unwrap();
    }
    let shared = batch.pop().unwrap();
    batch.push(shared.get()).unwrap();
    std::thread::spawn(move || drop(batch)).join().unwrap();
    assert_eq!((one.stats().recycle_ring, one.stats().recycle_ring_full), (8, 1));
    assert_eq!((other.stats().recycle_ring, other.stats().recycle_ring_full), (19, 0));
    assert_eq!((one.in_use(), other.in_use()), (0, 1));
    drop(shared);
    assert_eq!(other.stats().recycle_ring, 20);

    // A producer's batch flushes itself.
    let mut put = Batch::new();
    for _ in 0..65 {
        put.put(other.alloc().unwrap());
    }
    assert_eq!((put.len(), put.room()), (1, 63));
    drop(put);
    drop((one, other));
    assert_eq!(zone.free_frames(), 512);
}

#[test]
fn a_batch_empties_after_its_pool() {
    let zone = Zone::new(256).unwrap();
    let mut pool = PagePool::<Page>::new(small_ring(64), pages(&zone)).unwrap();
    let mut batch = Batch::new();
    pool.alloc_bulk(&mut batch);
    let shutdown = pool.shutdown(Duration::ZERO);
    assert_eq!((shutdown.inflight(), shutdown.is_done()), (64, false));
    let stalled = shutdown.check(Duration::from_secs(60)).unwrap_err();
    let told = format!(
        "stalled shutdown of page pool {}: 64 pieces in flight after 60 s; look for who keeps handles on them",
        shutdown.pool()
    );
    assert_eq!(stalled.to_string(), told);
    drop(batch);
    assert!(shutdown.is_done() && shutdown.check(Duration::from_secs(61)).is_ok());
    assert_eq!(zone.free_frames(), 256);
}

#[test]
fn pages_of_another_node_leave_one_a_refill() {
    let zone = Zone::on_node(256, 1).unwrap();
    let params = PagePoolParams { nid: Some(1), ..small_ring(64) };
    let mut pool = PagePool::<Page>::new(params, pages(&zone)).unwrap();
    let held: Vec<_> = (0..64).map(|_| pool.alloc().unwrap()).collect();
    drop(held);
    pool.nid_changed(1);
    assert_eq!(pool.inflight(), 64, "no news");
    pool.nid_changed(0);
    let again = pool.alloc().unwrap(); // one waived, then a batch from the provider
    let stats = pool.stats();
    assert_eq!((stats.alloc_waive, stats.alloc_refill, stats.alloc_slow, stats.alloc_empty), (1, 0, 2, 1));
    assert_eq!((pool.inflight(), pool.in_use()), (127, 1));
    pool.nid_changed(2);
    assert_eq!(pool.inflight(), 64, "the cache is empty, the ring as it was");
    drop((again, pool));
    assert_eq!(zone.free_frames(), 256);
}

#[test]
fn hooks_and_the_init_callback_see_memory_come_and_go() {
    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);
    impl PoolHooks for Log {
        fn state_hold(&self, _pool: PoolId, memory: NetmemRef<'_>, held: u32) {
            assert_eq!(memory.pp_ref_count(), 1);
            self.0.lock().unwrap().push(format!("hold {held}"));
        }
        fn state_release(&self, pool: PoolId, memory: NetmemRef<'_>, released: u32) {
            assert_eq!(memory.pp(), Some(pool));
            self.0.lock().unwrap().push(format!("release {released}"));
        }
        fn release(&self, _pool: PoolId, inflight: i32, held: u32, released: u32) {
            self.0.lock().unwrap().push(format!("end {inflight} {held} {released}"));
        }
        fn update_nid(&self, _pool: PoolId, nid: i32) {
            self.0.lock().unwrap().push(format!("node {nid}"));
        }
    }
    let log = Arc::new(Log::default());
    let zone = Zone::new(2).unwrap();
    let init: InitCallback = Arc::new(|_, bytes| bytes.unwrap().fill(0xa5));
    let params = PagePoolParams { hooks: Some(log.clone()), init_callback: Some(init), ..small_ring(1) };
    let mut pool = PagePool::<Page>::new(params, pages(&zone)).unwrap();
    let frag = pool.alloc_frag(4096).unwrap();
    assert!(frag.bytes().iter().all(|byte| *byte == 0xa5));
    pool.nid_changed(0);
    drop(pool);
    drop(frag);
    let told = ["hold 1", "hold 2", "node 0", "release 1", "end 1 2 1", "release 2", "end 0 2 2"];
    assert_eq!(*log.0.lock().unwrap(), told);
}

#[test]
fn hooks_count_the_same_after_somebody_has_looked_at_the_shutdown() {
    #[derive(Default)]
    struct Log(Mutex<Vec<u32>>);
    impl PoolHooks for Log {
        fn state_release(&self, _pool: PoolId, _memory: NetmemRef<'_>, released: u32) {
            self.0.lock().unwrap().push(released);
        }
    }
    let log = Arc::new(Log::default());
    let params = PagePoolParams { hooks: Some(log.clone()), ..small_ring(1) };
    let mut pool = PagePool::<Page>::new(params, pages(&Zone::new(3).unwrap())).unwrap();
    let [first, second, third] = std::array::from_fn(|_| pool.alloc().unwrap());
    let shutdown = pool.shutdown(Duration::ZERO);
    drop(first);
    assert_eq!(shutdown.inflight(), 2);
    drop(shutdown);
    drop((second, third));
    assert_eq!(*log.0.lock().unwrap(), [1, 2, 3]);
}
