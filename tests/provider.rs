//! Providers: the conformance suite on those that are here and on wrong ones, huge pages, and what a dma-buf can be cut
//! into. Rules O5 and P1 where they are checked at run time.

use netmem::dma::{DeviceId, DmaDevice, DmaDirection, PeerMemory};
use netmem::mm::{FreePage, PAGE_SIZE, Zone, compound_order, get_page, page_ref_count, page_to_pfn};
use netmem::page_pool::{AnyProvider, Chunk, DmabufError, PagePoolParams, PoolError, ProviderError, Refill};
use netmem::provider::{DmabufProvider, PageProvider};
use netmem::{FreeIov, MemoryProvider, NetIov, Netmem, Page, PagePool};
use netmem_consumers::zcrx::{UserArea, Zcrx, ZcrxParams};
use netmem_sim::HugeProvider;
use netmem_sim::conformance::{self, Violation, When};
use netmem_sim::dma::{Bounce, Coherent, DmaBus, Iommu};
use netmem_sim::kit::{Altered, Iovs, Vram, net_iovs};
use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

fn coherent() -> Arc<dyn DmaDevice> {
    Arc::new(Coherent::new()).driver_side()
}

fn iovs(device: &Arc<dyn DmaDevice>, count: usize, size: usize) -> Vec<FreeIov> {
    net_iovs(device.clone(), Arc::new(Vram(count * size)), size)
}

fn whole(len: usize) -> Vec<Chunk> {
    vec![Chunk { offset: 0, len }]
}

mod the_suite {
    use super::*;

    /// What the documentation shows: a provider in the public API, without `unsafe`.
    struct Mine {
        device: DeviceId,
        free: Mutex<Vec<FreeIov>>,
    }
    impl MemoryProvider for Mine {
        type Kind = NetIov;
        fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
            if params.order != 0 {
                return Err(ProviderError::Order { order: params.order, max: 0 });
            }
            if params.rx_page_size != 0 && params.rx_page_size != 4096 {
                return Err(ProviderError::PieceSize { asked: params.rx_page_size, has: 4096 });
            }
            if params.device.as_ref().is_some_and(|device| device.id() == self.device) {
                Ok(4096)
            } else {
                Err(ProviderError::OtherDevice)
            }
        }
        fn alloc(&self, out: &mut Refill<'_, NetIov>) {
            let mut free = self.free.lock().unwrap();
            while out.wanted() != 0 {
                let Some(iov) = free.pop() else { return };
                if let Err(iov) = out.push(iov) {
                    free.push(iov);
                    return;
                }
            }
        }
        fn release(&self, iov: FreeIov) {
            self.free.lock().unwrap().push(iov);
        }
    }

    #[test]
    fn passes_a_provider_in_the_public_api() {
        let device = coherent();
        let make = || Arc::new(Mine { device: device.id(), free: Mutex::new(iovs(&device, 100, 4096)) });
        let params = PagePoolParams::for_device(device.clone(), 4096);
        let report = conformance::check(make, &params).unwrap();
        assert_eq!((report.kind, report.size, report.pieces, report.shares), ("NetIov", 4096, 100, true));
        assert!(report.allocs > 0 && report.releases >= 100);
    }

    #[test]
    fn passes_the_page_allocator() {
        for (order, pieces) in [(0, 512), (3, 64)] {
            let zone = Zone::new(512).unwrap();
            let params = PagePoolParams { order, ..Default::default() };
            let report = conformance::check(|| PageProvider::new(zone.clone()), &params).unwrap();
            assert_eq!((report.size as usize, report.pieces), (PAGE_SIZE << order, pieces));
            assert_eq!(zone.free_frames(), 512, "and all of it is back");
        }
    }

    #[test]
    fn passes_huge_pages() {
        for order in [0, 2, 9] {
            // Two blocks, and single pages beside them.
            let zone = Zone::new(1024 + 7).unwrap();
            let device = Arc::new(Iommu::new());
            let params = PagePoolParams { order, ..PagePoolParams::for_device(device.clone(), 4096) };
            let report = conformance::check(|| HugeProvider::new(zone.clone()), &params).unwrap();
            assert_eq!(report.pieces, [1031, 257, 2][if order == 0 { 0 } else { order as usize / 9 + 1 }]);
            assert_eq!((zone.free_frames(), device.stats().mapped()), (1031, 0));
        }
    }

    #[test]
    fn passes_a_dma_buf() {
        let bus = Arc::new(Bounce::new());
        let device = bus.clone().driver_side();
        let vram: Arc<dyn PeerMemory> = Arc::new(Vram(1 << 20));
        let chunks = [Chunk { offset: 0, len: 1 << 18 }, Chunk { offset: 1 << 19, len: 1 << 18 }];
        let make = || DmabufProvider::bind(device.clone(), vram.clone(), &chunks, 8192).unwrap();
        let params = PagePoolParams { rx_page_size: 8192, ..PagePoolParams::for_device(device.clone(), 8192) };
        let report = conformance::check(make, &params).unwrap();
        assert_eq!((report.size, report.pieces, report.shares), (8192, 64, true));
        assert_eq!((bus.stats().mapped(), bus.stats().syncs_for_device), (0, 0));
    }

    #[test]
    fn passes_zcrx() {
        let bus = Arc::new(Bounce::new());
        let device = bus.clone().driver_side();
        let owners = RefCell::new(Vec::new());
        let make = || {
            let area = UserArea::whole(Arc::new(Vram(100 << 12)));
            let (zcrx, _user) = Zcrx::register(ZcrxParams::new(device.clone(), 8), area).unwrap();
            let provider = zcrx.provider().clone();
            owners.borrow_mut().push(zcrx);
            provider
        };
        let report = conformance::check(make, &PagePoolParams::for_device(device.clone(), 4096)).unwrap();
        assert_eq!((report.size, report.pieces, report.shares), (4096, 100, true));
        assert!(bus.stats().syncs_for_device > 100, "its memory is synced");
        drop(owners);
        assert_eq!(bus.stats().mapped(), 0);
    }

    /// A provider that does one thing wrong.
    struct Wrong {
        what: What,
        zone: Zone,
        free: Mutex<Vec<FreePage>>,
        kept: Mutex<Vec<Netmem>>,
        calls: AtomicU32,
    }
    #[derive(Clone, Copy, PartialEq)]
    enum What {
        Nothing,
        DropsWhatIsReleased,
        SaysTwice,
        ChangesItsSize,
        HidesSomeUntilLater,
        TakesAnyOrder,
        TakesAnySize,
        SaysNothing,
        SaysTwoLines,
        HandsOutOthers,
        LosesWhatDoesNotFit,
    }
    impl Wrong {
        fn new(what: What) -> Arc<Self> {
            let zone = Zone::new(256).unwrap();
            let free = Mutex::new((0..200).map(|_| zone.alloc(0).unwrap()).collect());
            Arc::new(Wrong { what, zone, free, kept: Mutex::new(Vec::new()), calls: AtomicU32::new(0) })
        }
    }
    impl MemoryProvider for Wrong {
        type Kind = Page;
        fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
            let calls = self.calls.fetch_add(1, Relaxed);
            match self.what {
                What::SaysTwice => return Ok(8192),
                What::ChangesItsSize => return Ok(4096 << (calls % 2)),
                _ => {}
            }
            if self.what != What::TakesAnyOrder && params.order != 0 {
                return Err(ProviderError::Order { order: params.order, max: 0 });
            }
            if self.what != What::TakesAnySize && ![0, 4096].contains(&params.rx_page_size) {
                return Err(ProviderError::PieceSize { asked: params.rx_page_size, has: 4096 });
            }
            Ok(4096)
        }
        fn alloc(&self, out: &mut Refill<'_, Page>) {
            let mut free = self.free.lock().unwrap();
            match self.what {
                What::HidesSomeUntilLater if free.len() <= 10 && self.calls.fetch_add(1, Relaxed) % 2 == 0 => return,
                What::HandsOutOthers => {
                    let wrong = self.zone.alloc(1).unwrap();
                    drop(out.push(wrong));
                }
                _ => {}
            }
            while let Some(page) = free.pop() {
                match (out.push(page), self.what) {
                    (Ok(()), _) => {}
                    (Err(page), What::LosesWhatDoesNotFit) => return drop(page),
                    (Err(page), _) => return free.push(page),
                }
            }
        }
        fn release(&self, page: FreePage) {
            if self.what != What::DropsWhatIsReleased {
                self.free.lock().unwrap().push(page);
            }
        }
        fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self.what {
                What::SaysNothing => Ok(()),
                What::SaysTwoLines => write!(f, "one\ntwo"),
                _ => write!(f, "{} pages", self.kept.lock().unwrap().len()),
            }
        }
    }

    fn violation(what: What) -> Violation {
        conformance::check(|| Wrong::new(what), &PagePoolParams::default()).unwrap_err()
    }

    #[test]
    fn passes_the_same_provider_when_it_does_nothing_wrong() {
        assert_eq!(conformance::check(|| Wrong::new(What::Nothing), &PagePoolParams::default()).unwrap().pieces, 200);
    }

    #[test]
    fn names_what_a_wrong_provider_does() {
        use Violation::*;
        assert!(matches!(violation(What::DropsWhatIsReleased), Loses { before: 200, when: When::PoolGone, .. }));
        assert_eq!(violation(What::SaysTwice), AcceptsOrder { order: 30, size: 8192 });
        assert_eq!(violation(What::ChangesItsSize), SizeChanges { first: 4096, second: 8192 });
        assert!(matches!(violation(What::HidesSomeUntilLater), Withholds { .. }));
        assert_eq!(violation(What::TakesAnyOrder), AcceptsOrder { order: 30, size: 4096 });
        assert_eq!(violation(What::TakesAnySize), IgnoresRxPageSize { asked: 8192, size: 4096 });
        assert_eq!(violation(What::SaysNothing), Silent { bytes: 0, lines: 0 });
        assert_eq!(violation(What::SaysTwoLines), Silent { bytes: 7, lines: 1 });
        assert!(matches!(violation(What::HandsOutOthers), WrongPieces { size: 4096, .. }));
        assert!(matches!(violation(What::LosesWhatDoesNotFit), Loses { .. }));
    }

    /// Gives half of its memory, and the rest only when some has come back.
    #[test]
    fn names_a_provider_that_gives_more_later() {
        struct Late(Mutex<(Vec<FreePage>, usize)>);
        impl MemoryProvider for Late {
            type Kind = Page;
            fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
                match (params.order, params.rx_page_size) {
                    (0, 0) => Ok(4096),
                    _ => Err(ProviderError::Other("order 0 only")),
                }
            }
            fn alloc(&self, out: &mut Refill<'_, Page>) {
                let (free, saved) = &mut *self.0.lock().unwrap();
                while free.len() > *saved {
                    if let Some(Err(page)) = free.pop().map(|page| out.push(page)) {
                        return free.push(page);
                    }
                }
            }
            fn release(&self, page: FreePage) {
                let (free, saved) = &mut *self.0.lock().unwrap();
                free.push(page);
                *saved = 0;
            }
        }
        let zone = Zone::new(256).unwrap();
        let make = || {
            let pages: Vec<_> = (0..100).map(|_| zone.alloc(0).unwrap()).collect();
            Arc::new(Late(Mutex::new((pages, 50))))
        };
        let found = conformance::check(make, &PagePoolParams::default()).unwrap_err();
        assert_eq!(found, Violation::Gains { before: 50, after: 100, when: When::PoolGone });
    }

    /// Takes a reference to each piece that its pools hand back, and so keeps the pools.
    #[test]
    fn names_a_provider_that_keeps_handles_of_its_pools() {
        let make = || {
            let kept = Mutex::new(Vec::new());
            let keeps = Altered::of(PageProvider::new(Zone::new(512).unwrap())).init(move |pages, params| {
                // A pool of its own, of which it keeps a handle: never given back.
                let zone = pages.zone().clone();
                let mut inner = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(zone)).unwrap();
                kept.lock().unwrap().extend(inner.alloc());
                pages.init(params)
            });
            keeps.into_arc()
        };
        let found = conformance::check(make, &PagePoolParams::default()).unwrap_err();
        assert!(matches!(found, Violation::Loses { when: When::PoolGone, .. }), "{found}");
    }

    #[test]
    fn asks_pages_for_syncs() {
        let pages = || PageProvider::new(Zone::new(512).unwrap());
        let make = || Altered::of(pages()).wants_sync(|_| false).into_arc();
        let found = conformance::check(make, &PagePoolParams::default()).unwrap_err();
        assert_eq!(found, Violation::WantsNoSync);
    }

    #[test]
    fn asks_for_another_device() {
        let device = coherent();
        let params = PagePoolParams::for_device(device.clone(), 4096);
        let any = |_: &Iovs, params: &PagePoolParams| match (params.order, params.rx_page_size) {
            (0, 0) => Ok(4096),
            _ => Err(ProviderError::Other("order 0 only")),
        };
        let make = || Altered::of(Iovs::with(Vec::new(), true)).init(any).into_arc();
        assert_eq!(conformance::check(make, &params).unwrap_err(), Violation::AcceptsOtherDevice);
    }
}

mod life {
    use super::*;

    #[derive(Default)]
    struct Calls {
        inits: AtomicUsize,
        destroys: AtomicUsize,
        uninstalls: AtomicUsize,
        releases: AtomicUsize,
    }
    struct Counts(Zone, Calls, u32);
    impl MemoryProvider for Counts {
        type Kind = Page;
        fn init(&self, _params: &PagePoolParams) -> Result<u32, ProviderError> {
            self.1.inits.fetch_add(1, Relaxed);
            Ok(self.2)
        }
        fn alloc(&self, out: &mut Refill<'_, Page>) {
            while out.wanted() != 0 {
                let Some(page) = self.0.alloc(0) else { return };
                out.push(page).unwrap();
            }
        }
        fn release(&self, page: FreePage) {
            self.1.releases.fetch_add(1, Relaxed);
            drop(page);
        }
        fn destroy(&self) {
            self.1.destroys.fetch_add(1, Relaxed);
        }
        fn uninstall(&self) {
            self.1.uninstalls.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn destroy_comes_once_and_after_the_last_piece() {
        let provider = Arc::new(Counts(Zone::new(128).unwrap(), Calls::default(), 4096));
        let mut pool = PagePool::<Page>::new(PagePoolParams::default(), provider.clone()).unwrap();
        let piece = pool.alloc().unwrap();
        pool.provider().uninstall();
        drop(pool);
        let calls = &provider.1;
        assert_eq!((calls.releases.load(Relaxed), calls.destroys.load(Relaxed)), (63, 0), "one piece is out");
        std::thread::spawn(move || drop(piece)).join().unwrap();
        assert_eq!((calls.releases.load(Relaxed), calls.destroys.load(Relaxed)), (64, 1));
        assert_eq!((calls.inits.load(Relaxed), calls.uninstalls.load(Relaxed)), (1, 1));
    }

    #[test]
    fn destroy_comes_when_the_pool_was_not_made_after_all() {
        let provider = Arc::new(Counts(Zone::new(1).unwrap(), Calls::default(), 4096));
        let params = PagePoolParams { offset: 5000, ..Default::default() };
        let refused = PagePool::<Page>::new(params, provider.clone()).map(drop).unwrap_err();
        assert!(matches!(refused, PoolError::SyncRange { .. }));
        assert_eq!((provider.1.inits.load(Relaxed), provider.1.destroys.load(Relaxed)), (1, 1));
        let boaster = Arc::new(Counts(Zone::new(1).unwrap(), Calls::default(), 1 << 20));
        assert!(PagePool::<Page>::new(PagePoolParams::default(), boaster.clone()).is_err());
        assert_eq!((boaster.1.inits.load(Relaxed), boaster.1.destroys.load(Relaxed)), (1, 1));
    }

    #[test]
    fn only_the_page_allocator_counts_as_slow() {
        let zone = Zone::new(1024).unwrap();
        let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(zone.clone())).unwrap();
        drop(pool.alloc());
        assert_eq!(pool.stats().alloc_slow, 1);
        drop(pool);
        let mut pool = PagePool::<Page>::new(PagePoolParams::default(), HugeProvider::new(zone)).unwrap();
        drop(pool.alloc());
        assert_eq!((pool.stats().alloc_slow, pool.inflight()), (0, 64));
    }

    #[test]
    fn a_provider_says_what_it_is() {
        let zone = Zone::new(8).unwrap();
        let page = AnyProvider::from(PageProvider::new(zone.clone()));
        assert_eq!(page.to_string(), "page allocator, 8 of 8 frames free");
        let counts: AnyProvider = Arc::new(Counts(zone, Calls::default(), 4096)).into();
        assert!(counts.to_string().ends_with("Counts") && !counts.is_unreadable());
    }

    /// A refill ring in four lines: what comes back beside the pool's ring.
    struct Returns(Mutex<Vec<FreeIov>>, Mutex<Vec<Netmem<NetIov>>>);
    impl MemoryProvider for Returns {
        type Kind = NetIov;
        fn init(&self, _params: &PagePoolParams) -> Result<u32, ProviderError> {
            Ok(4096)
        }
        fn alloc(&self, out: &mut Refill<'_, NetIov>) {
            let back = std::mem::take(&mut *self.1.lock().unwrap());
            for memory in back {
                if let Err(memory) = out.recycle(memory) {
                    self.1.lock().unwrap().push(memory);
                }
            }
            while out.wanted() != 0 {
                let Some(iov) = self.0.lock().unwrap().pop() else { return };
                out.push(iov).unwrap();
            }
        }
        fn release(&self, iov: FreeIov) {
            self.0.lock().unwrap().push(iov);
        }
        fn uninstall(&self) {
            drop(std::mem::take(&mut *self.1.lock().unwrap()));
        }
    }

    #[test]
    fn what_returns_is_counted_already_and_is_no_recycling() {
        let bus = Arc::new(Bounce::new());
        let device = bus.clone().driver_side();
        let provider = Arc::new(Returns(Mutex::new(iovs(&device, 100, 4096)), Mutex::new(Vec::new())));
        let params = PagePoolParams { pool_size: 1, ..PagePoolParams::for_device(device, 4096) };
        let mut pool = PagePool::<NetIov>::new(params.clone(), provider.clone()).unwrap();
        let mut all: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
        assert_eq!((all.len(), pool.inflight(), bus.stats().syncs_for_device), (100, 100, 100));
        let extra = all[3].get();
        provider.1.lock().unwrap().append(&mut all);
        let before = pool.stats();
        let first = pool.alloc().unwrap();
        assert_eq!(pool.inflight(), 100, "nothing new came in");
        assert_eq!(pool.stats().recycle_cached, before.recycle_cached);
        assert_eq!(bus.stats().syncs_for_device, 164, "it is synced as if it were fresh");
        // 64 fit; of the 65 that were offered to that end one has a second reference and went nowhere.
        assert_eq!((pool.in_use(), provider.1.lock().unwrap().len()), (1 + 1 + 35, 35));
        drop((first, extra));
        pool.provider().uninstall();
        drop(pool);
        assert_eq!(provider.0.lock().unwrap().len(), 100);
    }

    #[test]
    fn what_returns_to_the_wrong_pool_goes_to_its_own() {
        let device = coherent();
        let provider = Arc::new(Returns(Mutex::new(iovs(&device, 100, 4096)), Mutex::new(Vec::new())));
        let params = PagePoolParams::for_device(device, 4096);
        let mut one = PagePool::<NetIov>::new(params.clone(), provider.clone()).unwrap();
        let mut two = PagePool::<NetIov>::new(params, provider.clone()).unwrap();
        let piece = one.alloc().unwrap();
        provider.1.lock().unwrap().push(piece);
        let other = two.alloc().unwrap();
        assert_eq!((one.stats().recycle_ring, one.inflight(), two.inflight()), (1, 64, 36));
        drop((one, two, other));
        assert_eq!(provider.0.lock().unwrap().len(), 100);
    }
}

mod sizes {
    use super::*;

    #[test]
    fn rx_page_size_is_a_power_of_two_and_agrees_with_the_order() {
        let zone = Zone::new(64).unwrap();
        let make = |order, rx_page_size| {
            let params = PagePoolParams { order, rx_page_size, ..Default::default() };
            PagePool::<Page>::new(params, PageProvider::new(zone.clone())).map(|pool| pool.piece_size())
        };
        assert_eq!(make(0, 4096), Ok(4096));
        assert_eq!(make(2, 16384), Ok(16384));
        assert_eq!(make(0, 2048), Err(PoolError::RxPageSize { size: 2048 }));
        assert_eq!(make(0, 12288), Err(PoolError::RxPageSize { size: 12288 }));
        assert_eq!(make(1, 16384), Err(PoolError::TwoSizes { size: 16384, order: 1 }));
        let refused = ProviderError::PieceSize { asked: 16384, has: 4096 };
        assert_eq!(make(0, 16384), Err(PoolError::Provider(refused)));
    }

    #[test]
    fn a_provider_that_ignores_rx_page_size_gets_no_pool() {
        struct Ignores;
        impl MemoryProvider for Ignores {
            type Kind = Page;
            fn init(&self, _params: &PagePoolParams) -> Result<u32, ProviderError> {
                Ok(4096)
            }
            fn alloc(&self, _out: &mut Refill<'_, Page>) {}
            fn release(&self, _page: FreePage) {}
        }
        let params = PagePoolParams { rx_page_size: 8192, ..Default::default() };
        let refused = PagePool::<Page>::new(params, Arc::new(Ignores)).map(drop).unwrap_err();
        assert_eq!(refused, PoolError::Provider(ProviderError::PieceSize { asked: 8192, has: 4096 }));
    }

    #[test]
    fn a_dma_buf_is_cut_from_4_kib_to_2_mib() {
        let device = coherent();
        for shift in 12..=21 {
            let size = 1_usize << shift;
            let vram = Arc::new(Vram(4 << 20));
            let binding = DmabufProvider::bind(device.clone(), vram, &whole(4 << 20), size).unwrap();
            assert_eq!((binding.niov_size() as usize, binding.total()), (size, (4 << 20) / size));
            let base = PagePoolParams::for_device(device.clone(), 4096);
            let of = |order, rx_page_size| PagePoolParams { order, rx_page_size, ..base.clone() };
            for params in [of(0, 0), of(shift - 12, 0), of(0, 1 << shift), of(shift - 12, 1 << shift)] {
                let mut pool = PagePool::<NetIov>::new(params, binding.clone()).unwrap();
                let piece = pool.alloc().unwrap();
                assert_eq!((pool.piece_size() as usize, piece.dma_addr().as_raw() % size), (size, 0));
            }
            let other = PagePool::<NetIov>::new(of(shift - 11, 0), binding.clone()).map(drop).unwrap_err();
            let refused = ProviderError::PieceSize { asked: 8192 << (shift - 12), has: 1 << shift };
            assert_eq!(other, PoolError::Provider(refused));
        }
        for size in [0, 1, 2048, 4097, 12288, 4 << 20, usize::MAX] {
            let vram = Arc::new(Vram(4 << 20));
            let refused = DmabufProvider::bind(device.clone(), vram, &whole(4 << 20), size).unwrap_err();
            assert_eq!(refused, DmabufError::NiovSize { size });
        }
    }

    #[test]
    fn a_chunk_that_does_not_fit_is_named_with_its_size() {
        let bus = Arc::new(Coherent::new());
        let vram: Arc<dyn PeerMemory> = Arc::new(Vram(1 << 20));
        let bind = |chunks: &[(usize, usize)], size| {
            let chunks: Vec<_> = chunks.iter().map(|&(offset, len)| Chunk { offset, len }).collect();
            DmabufProvider::bind(bus.clone().driver_side(), vram.clone(), &chunks, size).unwrap_err().to_string()
        };
        let text = bind(&[(0, 65536), (65536, 20480)], 16384);
        assert!(text.starts_with("chunk 1: 20480 bytes at ") && text.contains("16384"), "{text}");
        let text = bind(&[(0, 4096), (1 << 20, 4096)], 4096);
        assert!(text.starts_with("chunk 1: cannot map 4096 bytes at offset 1048576"), "{text}");
        let text = bind(&[(0, 8192), (16384, 4096), (4096, 4096)], 4096);
        assert!(text.starts_with("chunk 2 shares bytes with chunk 0"), "{text}");
        assert!(bind(&[], 4096).contains("no chunks"));
        assert_eq!(bus.stats().mapped(), 0, "and nothing stays mapped");
    }

    #[test]
    fn a_binding_has_a_number_of_its_own_and_one_direction() {
        let device = coherent();
        let bind = || DmabufProvider::bind(device.clone(), Arc::new(Vram(1 << 16)), &whole(1 << 16), 4096).unwrap();
        let (one, two) = (bind(), bind());
        assert!(one.id() != 0 && two.id() != 0 && one.id() != two.id());
        let text = AnyProvider::from(one.clone()).to_string();
        assert_eq!(text, format!("dma-buf binding {}, 16 of 16 net_iovs of 4096 bytes free", one.id()));
        let direction = DmaDirection::Bidirectional;
        let params = PagePoolParams { direction, ..PagePoolParams::for_device(device.clone(), 4096) };
        let refused = PagePool::<NetIov>::new(params, one).map(drop).unwrap_err();
        assert_eq!(refused, PoolError::Provider(ProviderError::Direction { direction }));
        let params = PagePoolParams::for_device(coherent(), 4096);
        let refused = PagePool::<NetIov>::new(params, two).map(drop).unwrap_err();
        assert_eq!(refused, PoolError::Provider(ProviderError::OtherDevice));
    }

    #[test]
    fn a_binding_goes_with_its_last_net_iov() {
        let bus = Arc::new(Iommu::new());
        let device = bus.clone().driver_side();
        let binding = DmabufProvider::bind(device.clone(), Arc::new(Vram(1 << 16)), &whole(1 << 16), 4096).unwrap();
        let weak = Arc::downgrade(&binding);
        let mut pool = PagePool::<NetIov>::new(PagePoolParams::for_device(device, 4096), binding).unwrap();
        let piece = pool.alloc().unwrap();
        drop(pool);
        assert_eq!((weak.strong_count(), bus.stats().mapped()), (1, 1));
        drop(piece);
        assert_eq!((weak.strong_count(), bus.stats().mapped()), (0, 0));
    }
}

mod huge {
    use super::*;

    #[test]
    fn a_block_is_split_whole_and_joined_by_freeing() {
        let zone = Zone::new(16).unwrap();
        zone.set_reserve(4);
        let block = zone.alloc(4).unwrap();
        let first = page_to_pfn(block.page());
        let pieces: Vec<_> = block.split(2).unwrap().collect();
        let seen: Vec<_> = pieces
            .iter()
            .map(|piece| {
                (page_to_pfn(piece.page()) - first, compound_order(piece.page()), page_ref_count(piece.page()))
            })
            .collect();
        assert_eq!(seen, [(0, 2, 1), (4, 2, 1), (8, 2, 1), (12, 2, 1)]);
        assert!(pieces.iter().all(|piece| netmem::mm::page_is_pfmemalloc(piece.page())), "the mark stays");
        // Each piece answers for its own pages.
        let tail = zone.virt_to_page(pieces[2].bytes()[PAGE_SIZE * 3..].as_ptr()).unwrap();
        assert_eq!((page_to_pfn(&tail), page_ref_count(pieces[2].page())), (first + 8, 2));
        drop(tail);
        drop(pieces);
        assert_eq!(zone.free_frames(), 16);
        assert!(zone.alloc(4).is_some(), "one block again");
    }

    #[test]
    fn a_block_that_somebody_holds_is_not_split() {
        let zone = Zone::new(16).unwrap();
        let block = zone.alloc(2).unwrap();
        let extra = get_page(block.page());
        let block = block.split(0).map(drop).unwrap_err();
        drop(extra);
        let block = block.split(3).map(drop).unwrap_err();
        let mut pieces = block.split(1).unwrap();
        assert_eq!(pieces.len(), 2);
        let kept = pieces.next().unwrap();
        drop(pieces);
        assert_eq!(zone.free_frames(), 14, "the half that nobody took is free");
        drop(zone);
        assert_eq!(kept.bytes().len(), 2 * PAGE_SIZE, "and a piece outlives its zone");
    }

    #[test]
    fn a_block_is_used_up_before_the_next_and_given_back_whole() {
        let zone = Zone::new(2048).unwrap();
        let provider = HugeProvider::new(zone.clone());
        let params = PagePoolParams { pool_size: 1, ..Default::default() };
        let mut pool = PagePool::<Page>::new(params, provider.clone()).unwrap();
        let mut out: Vec<_> = (0..512).map(|_| pool.alloc().unwrap()).collect();
        assert_eq!((provider.stats().blocks, provider.stats().home, zone.free_frames()), (1, 0, 1536));
        let pfns: Vec<_> = out.iter().map(|piece| page_to_pfn(piece.borrow().page())).collect();
        let first = *pfns.iter().min().unwrap();
        assert!(first % 512 == 0 && pfns.iter().all(|pfn| pfn - first < 512));
        out.push(pool.alloc().unwrap());
        assert_eq!(provider.stats().blocks, 2);
        // All but one of the first block; then that one.
        let last = out.swap_remove(17);
        drop(out);
        drop(pool);
        assert_eq!((provider.stats().returned, provider.stats().home, zone.free_frames()), (1, 511, 1536));
        drop(last);
        assert_eq!((provider.stats().returned, provider.stats().blocks, zone.free_frames()), (2, 0, 2048));
        assert!((0..2).all(|_| zone.alloc(10).is_some()), "nothing is in pieces");
    }

    #[test]
    fn without_a_block_there_are_single_pages_and_they_are_counted() {
        let zone = Zone::new(1024).unwrap();
        // One page in the middle of each block.
        let blocks: Vec<_> = (0..2).map(|_| zone.alloc(9).unwrap().split(0).unwrap().collect::<Vec<_>>()).collect();
        let kept: Vec<_> = blocks.into_iter().map(|mut pages| pages.swap_remove(100)).collect();
        let provider = HugeProvider::new(zone.clone());
        let mut pool = PagePool::<Page>::new(PagePoolParams::default(), provider.clone()).unwrap();
        let out: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
        assert_eq!(out.len(), 1022);
        let stats = provider.stats();
        assert_eq!((stats.huge, stats.single, stats.blocks), (0, 1022, 0));
        drop((out, pool, kept));
        assert_eq!(zone.free_frames(), 1024);
    }

    #[test]
    fn pools_of_different_orders_share_a_provider() {
        let zone = Zone::new(1024).unwrap();
        let provider = HugeProvider::new(zone.clone());
        let pool = |order| {
            PagePool::<Page>::new(PagePoolParams { order, ..Default::default() }, provider.clone()).map_err(Some)
        };
        let (mut small, mut large) = (pool(0).unwrap(), pool(3).unwrap());
        let pieces = (small.alloc().unwrap(), large.alloc().unwrap());
        assert_eq!((pieces.0.size(), pieces.1.size(), provider.stats().blocks), (4096, 32768, 2));
        let refused = pool(10).map(drop).unwrap_err().unwrap();
        assert_eq!(refused, PoolError::Provider(ProviderError::Order { order: 10, max: 9 }));
        drop((small, large, pieces));
        assert_eq!((provider.stats().blocks, zone.free_frames()), (0, 1024));
    }

    /// mm holds a piece when its pool gives it up, and makes something else of it.
    #[test]
    fn a_piece_that_never_comes_home_keeps_its_block() {
        let zone = Zone::new(512).unwrap();
        let provider = HugeProvider::new(zone.clone());
        let params = PagePoolParams { order: 3, pool_size: 1, ..Default::default() };
        let mut pool = PagePool::<Page>::new(params, provider.clone()).unwrap();
        let piece = pool.alloc().unwrap();
        let held = get_page(piece.borrow().page());
        drop((piece, pool));
        drop(held);
        assert_eq!((provider.stats().blocks, provider.stats().home, zone.free_frames()), (1, 63, 8));
        // The frames are free for others, of another order as well, and do not come home as what they are not.
        let mut single = PagePool::<Page>::new(PagePoolParams::default(), provider.clone()).unwrap();
        let out: Vec<_> = std::iter::from_fn(|| single.alloc()).collect();
        assert_eq!(out.len(), 8);
        drop((out, single));
        assert_eq!((provider.stats().home, zone.free_frames()), (63, 8));
        drop(provider);
        assert_eq!(zone.free_frames(), 512);
    }
}
