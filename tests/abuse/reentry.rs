//! Code of others that calls back: providers, hooks and memory that use pools while a pool calls them. Nothing may deadlock, and
//! nothing may be seen half done.

use super::rig::{FRAMES, Host};
use netmem::dma::{DmaMapping, MapError, PeerError, PeerMemory};
use netmem::mm::{FreePage, PAGE_SIZE, PageRef, get_page};
use netmem::page_pool::{AnyProvider, InitCallback, PagePoolParams, PoolHooks, PoolId, ProviderError, Refill};
use netmem::provider::PageProvider;
use netmem::{Backing, MemoryProvider, NetIov, NetIovArea, NetIovType, Netmem, NetmemRef, Page, PagePool};
use netmem_consumers::zcrx::{UserArea, Zcrx, ZcrxParams, ZcrxProvider};
use netmem_sim::HugeProvider;
use netmem_sim::kit::{Altered, Iovs, Vram, net_iovs};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};

/// Pages, and a bag of handles that it drops when it is called.
struct Bag {
    pages: Arc<PageProvider>,
    handles: Mutex<Vec<Netmem>>,
    calls: AtomicUsize,
}

impl Bag {
    fn new(host: &Host) -> Arc<Self> {
        Arc::new(Bag { pages: host.pages(), handles: Mutex::default(), calls: AtomicUsize::new(0) })
    }
    fn keep(&self, memory: impl Into<Netmem>) {
        self.handles.lock().unwrap().push(memory.into());
    }
    fn drop_one(&self) {
        self.calls.fetch_add(1, SeqCst);
        let memory = self.handles.lock().unwrap().pop();
        drop(memory);
    }
}

impl MemoryProvider for Bag {
    type Kind = Page;
    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
        self.pages.init(params)
    }
    fn alloc(&self, out: &mut Refill<'_, Page>) {
        // What it kept first: as returning memory, wherever it is from.
        while out.wanted() > 60 {
            let Some(memory) = self.handles.lock().unwrap().pop() else { break };
            match memory.backing() {
                Backing::Page(page) => drop(out.recycle(page)),
                Backing::NetIov(iov) => drop(iov),
            }
        }
        self.pages.alloc(out);
    }
    fn release(&self, page: FreePage) {
        drop(page);
        self.drop_one();
    }
}

impl PoolHooks for Bag {
    fn state_hold(&self, _pool: PoolId, _memory: NetmemRef<'_>, _held: u32) {
        self.drop_one();
    }
    fn state_release(&self, _pool: PoolId, _memory: NetmemRef<'_>, _released: u32) {
        self.drop_one();
    }
}

/// Attempt: a provider's `release`, and hooks, that drop handles of the same pool and of others, in the middle of every call that
/// gives memory back. Holds: each goes its own way, whatever is on the stack.
#[test]
fn releases_that_drop_more_handles() {
    for hooked in [false, true] {
        for end in 0..4 {
            let host = Host::new();
            let bag = Bag::new(&host);
            let params = if hooked { host.hooked(bag.clone()) } else { host.params() };
            let mut pool = PagePool::<Page>::new(params, bag.clone()).unwrap();
            let (mut other, dmabuf) = (host.pool(), host.dmabuf(8));
            let mut iovs = host.iov_pool(&dmabuf);
            let out: Vec<_> = (0..40).map_while(|_| pool.alloc()).collect();
            for _ in 0..8 {
                bag.keep(pool.alloc().unwrap());
                bag.keep(other.alloc().unwrap());
                bag.keep(iovs.alloc().unwrap());
            }
            match end {
                // The ring overflows: 24 of 40 are released, each of which drops one more.
                0 => drop(out),
                1 => {
                    pool.nid_changed(1);
                    drop(out);
                }
                2 => out.into_iter().for_each(|memory| pool.recycle_direct(memory)),
                // The rest is released by whoever drops it, after the owner.
                _ => {
                    drop((pool, other, iovs));
                    pool = host.pool();
                    other = host.pool();
                    iovs = host.iov_pool(&dmabuf);
                    drop(out);
                }
            }
            drop((pool, other, iovs));
            assert!(bag.handles.lock().unwrap().is_empty() && bag.calls.load(SeqCst) > 0, "{hooked} {end}");
            drop(dmabuf);
            assert_eq!(Arc::strong_count(&bag), 1);
            host.all_back();
        }
    }
}

/// Attempt: `alloc` that recycles what the provider kept: of its own pool, of another one, with more references. Holds: what is of the
/// pool and alone is in the cache; the rest goes where it belongs.
#[test]
fn an_alloc_that_recycles_anything() {
    let host = Host::new();
    let bag = Bag::new(&host);
    let mut pool = PagePool::<Page>::new(host.params(), bag.clone()).unwrap();
    let mut other = host.pool();
    let (own, shared) = (pool.alloc().unwrap(), pool.alloc().unwrap());
    let word = own.borrow().as_raw();
    bag.keep(own);
    bag.keep(shared.get());
    bag.keep(other.alloc().unwrap());
    let all: Vec<_> = std::iter::from_fn(|| pool.alloc()).take(62).collect();
    assert!(all.iter().all(|memory| memory.borrow().as_raw() != word), "these were in the cache");
    let next: Vec<_> = std::iter::from_fn(|| pool.alloc()).take(64).collect();
    assert!(next.iter().any(|memory| memory.borrow().as_raw() == word), "it was kept, and came back");
    assert_eq!((shared.pp_ref_count(), other.in_use(), pool.in_use()), (1, 0, 127));
    drop((all, next, shared, pool, other));
    host.all_back();
}

/// Attempt: an init callback and hooks that take references of mm's to every page, at each chance, and keep them past the pool. Holds:
/// such a page gives nobody a second way to its bytes, and leaves the pool when it is put.
#[test]
fn hooks_that_take_references_of_mm() {
    #[derive(Default)]
    struct Greedy(Mutex<Vec<PageRef>>);
    impl Greedy {
        fn take(&self, memory: NetmemRef<'_>) {
            let page = memory.backing().page().unwrap();
            self.0.lock().unwrap().push(get_page(page));
        }
    }
    impl PoolHooks for Greedy {
        fn state_hold(&self, _pool: PoolId, memory: NetmemRef<'_>, _held: u32) {
            self.take(memory);
        }
        fn state_release(&self, _pool: PoolId, memory: NetmemRef<'_>, _released: u32) {
            self.take(memory);
        }
    }
    let host = Host::new();
    let greedy = Arc::new(Greedy::default());
    let callback: InitCallback = {
        let greedy = greedy.clone();
        Arc::new(move |memory, bytes| {
            bytes.unwrap().fill(1);
            greedy.take(memory);
        })
    };
    let params = PagePoolParams { init_callback: Some(callback), ..host.hooked(greedy.clone()) };
    let mut pool = PagePool::<Page>::new(params, host.pages()).unwrap();
    let mut memory = pool.alloc().unwrap();
    assert!(memory.bytes_mut().is_none(), "mm counts three");
    let mut frag = pool.alloc_frag(100).unwrap();
    frag.bytes_mut().fill(2);
    pool.recycle_direct(memory);
    pool.recycle_frag(frag);
    assert_eq!(pool.stats().recycle_released_refcnt, 1);
    drop(pool);
    assert_eq!((host.bus.stats().mapped(), host.zone.free_frames()), (0, FRAMES - 64), "they are mm's now");
    let refs = std::mem::take(&mut *greedy.0.lock().unwrap());
    assert_eq!(refs.len(), 3 * 64);
    assert!(refs.iter().all(|page| !page.desc().is_pp()));
    drop(refs);
    host.all_back();
}

/// Attempt: a hook that makes a pool, allocates from it, and drops it, whenever it is called. Holds: pools do not know of each
/// other.
#[test]
fn hooks_that_use_other_pools() {
    struct Busy(Host, AtomicUsize);
    impl Busy {
        fn work(&self) {
            let mut pool = self.0.pool();
            let (memory, frag) = (pool.alloc().unwrap(), pool.alloc_frag(64).unwrap());
            drop((pool, memory, frag));
            self.1.fetch_add(1, SeqCst);
        }
    }
    impl PoolHooks for Busy {
        fn state_hold(&self, _pool: PoolId, _memory: NetmemRef<'_>, _held: u32) {
            self.work();
        }
        fn state_release(&self, _pool: PoolId, _memory: NetmemRef<'_>, _released: u32) {
            self.work();
        }
        fn release(&self, _pool: PoolId, _inflight: i32, _held: u32, _released: u32) {
            self.work();
        }
        fn update_nid(&self, _pool: PoolId, _nid: i32) {
            self.work();
        }
    }
    let host = Host::new();
    let busy = Arc::new(Busy(Host::new(), AtomicUsize::new(0)));
    let mut pool = PagePool::<Page>::new(host.hooked(busy.clone()), host.pages()).unwrap();
    let memory = pool.alloc().unwrap();
    pool.nid_changed(2);
    drop(pool);
    drop(memory);
    assert_eq!(busy.1.load(SeqCst), 64 + 1 + 64 + 2);
    host.all_back();
    Arc::into_inner(busy).unwrap().0.all_back();
}

/// Attempt: a provider that fills its refill from one provider and gives to another what leaves the pool. Holds: the pool takes
/// what fits, whoever it is from; each net_iov says what it is part of, keeps that, and is dropped by who does not know it.
#[test]
fn a_provider_that_lends_its_refill() {
    let host = Host::new();
    let (from, to) = (host.dmabuf(16), host.dmabuf(1));
    let id = from.id();
    let back = to.clone();
    let proxy = Altered::of(from.clone()).release(move |_, iov| back.release(iov)).into_arc();
    let mut pool = PagePool::<NetIov>::new(host.params(), proxy).unwrap();
    let frag = pool.alloc_frag(64).unwrap();
    assert_eq!((frag.binding_id(), frag.memory_offset()), (id, 15 * PAGE_SIZE), "it says what it is");
    drop((pool, from, frag));
    assert_eq!((to.total(), to.available(), host.bus.stats().mapped()), (1, 1, 1), "it keeps its own");
    drop(to);
    host.all_back();
}

/// Attempt: a provider that fills its refill from a program's instance, drops what it gets back, and then puts other memory
/// where the program's was. Holds: the instance tells the two apart, wherever the other lies, and nothing of it is told to the program.
#[test]
fn other_memory_in_the_place_of_a_programs() {
    let host = Host::new();
    let memory = Arc::new(Vram(4 * PAGE_SIZE));
    let (zcrx, _user) = Zcrx::register(ZcrxParams::new(host.device(), 8), UserArea::whole(memory)).unwrap();
    let sink = Altered::of(zcrx.provider().clone()).release(|_, iov| drop(iov)).into_arc();
    let mut pool = PagePool::<NetIov>::new(host.params(), sink).unwrap();
    let place = std::ptr::from_ref(pool.alloc().unwrap().borrow().net_iov().area()).addr();
    drop(pool);
    assert_eq!((zcrx.provider().available(), host.bus.stats().mapped()), (0, 0), "the area is gone");
    let mut others: Vec<_> =
        (0..8).map(|_| net_iovs(host.device(), Arc::new(Vram(4 * PAGE_SIZE)), PAGE_SIZE)).collect();
    let there = others.iter().position(|iovs| std::ptr::from_ref(iovs[0].net_iov().area()).addr() == place);
    let iovs = others.swap_remove(there.unwrap_or(0));
    let loose = Altered::of(Iovs::with(iovs, true)).release(|_, iov| drop(iov)).into_arc();
    let mut pool = PagePool::<NetIov>::new(host.params(), loose).unwrap();
    let refused = zcrx.post(pool.alloc_frag(100).unwrap()).unwrap_err();
    assert_eq!((refused.back.len(), zcrx.provider().with_user()), (100, 0), "{there:?}");
    others.into_iter().flatten().for_each(|iov| zcrx.provider().release(iov));
    assert_eq!(zcrx.provider().available(), 0);
    drop((refused, pool, zcrx));
    host.all_back();
}

/// Attempt: strangers who call a provider's methods, in any order and number, with memory of others. Holds: what is theirs is not
/// mixed up, and no count goes wrong.
#[test]
fn strangers_who_call_providers() {
    let host = Host::new();
    let (huge, pages, dmabuf) = (HugeProvider::new(host.zone.clone()), host.pages(), host.dmabuf(4));
    let memory = Arc::new(Vram(4 * PAGE_SIZE));
    let (zcrx, _user) = Zcrx::register(ZcrxParams::new(host.device(), 8), UserArea::whole(memory)).unwrap();
    let zc: &Arc<ZcrxProvider> = zcrx.provider();
    let all: [AnyProvider; 4] = [huge.clone().into(), pages.clone().into(), dmabuf.clone().into(), zc.clone().into()];
    let other = netmem::mm::Zone::new(1024).unwrap();
    for _ in 0..3 {
        for provider in &all {
            match provider {
                AnyProvider::Page(provider) => {
                    assert!(provider.init(&host.params()).is_ok());
                    provider.destroy();
                    provider.release(host.zone.alloc(0).unwrap());
                    provider.release(other.alloc(9).unwrap());
                    provider.release(other.alloc(3).unwrap());
                    provider.destroy();
                }
                AnyProvider::NetIov(provider) => {
                    let _ = provider.init(&host.params());
                    provider.destroy();
                    let theirs = Arc::new(Vram(16 * PAGE_SIZE));
                    let mapping = DmaMapping::new(host.device(), theirs.clone(), 0, 16 * PAGE_SIZE).unwrap();
                    let larger = NetIovArea::carve(mapping, 4 * PAGE_SIZE, NetIovType::DmaBuf, 0).unwrap();
                    let others = net_iovs(host.device(), theirs, PAGE_SIZE);
                    others.into_iter().chain(larger).for_each(|iov| provider.release(iov));
                    provider.destroy();
                }
            }
            provider.uninstall();
        }
    }
    assert_eq!(
        (zc.available(), zc.total(), dmabuf.available(), dmabuf.total()),
        (4, 4, 4, 4),
        "what is theirs is dropped"
    );
    assert_eq!((other.free_frames(), host.zone.free_frames()), (1024, FRAMES));
    let mut pool = host.iov_pool(&dmabuf);
    let out: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
    assert_eq!(out.len(), 4, "and nothing hides what is free");
    drop((out, pool, all, dmabuf, zcrx));
    host.all_back();
}

/// Memory whose last owner does something when it goes.
struct Last<F: Fn() + Send + Sync>(usize, F);

impl<F: Fn() + Send + Sync> PeerMemory for Last<F> {
    fn len(&self) -> usize {
        self.0
    }
    fn write(&self, _offset: usize, _bytes: &[u8]) -> Result<(), PeerError> {
        Ok(())
    }
}

impl<F: Fn() + Send + Sync> Drop for Last<F> {
    fn drop(&mut self) {
        self.1();
    }
}

/// Attempt: memory that uses the device when it goes, and that goes as the device refuses to map it for want of addresses, or
/// unmaps it. Holds: the device has let go of its table by then.
#[test]
fn memory_that_uses_the_device_as_it_goes() {
    const HUGE: usize = 1 << 62;
    let host = Host::new();
    let (device, gone) = (host.device(), Arc::new(AtomicUsize::new(0)));
    let uses = {
        let (device, gone) = (device.clone(), gone.clone());
        move || {
            drop(DmaMapping::new(device.clone(), Arc::new(Vram(PAGE_SIZE)), 0, PAGE_SIZE));
            gone.fetch_add(1, SeqCst);
        }
    };
    let map = || DmaMapping::new(device.clone(), Arc::new(Last(HUGE, uses.clone())), 0, HUGE);
    let mapped: Vec<_> = (0..3).map_while(|_| map().ok()).collect();
    assert_eq!(map().unwrap_err(), MapError::NoRoom { len: HUGE });
    assert_eq!(gone.load(SeqCst), 1, "the one that was refused");
    let ended = mapped.len();
    drop(mapped);
    assert_eq!(gone.load(SeqCst), 1 + ended);
    host.all_back();
}

/// Attempt: memory that asks a program's instance when it goes, and that goes as the instance is given a net_iov of it by
/// mistake. Holds: the instance has let go of its state by then.
#[test]
fn memory_that_uses_zcrx_as_it_goes() {
    let host = Host::new();
    let memory = Arc::new(Vram(4 * PAGE_SIZE));
    let (zcrx, _user) = Zcrx::register(ZcrxParams::new(host.device(), 8), UserArea::whole(memory)).unwrap();
    let (zc, seen): (Weak<ZcrxProvider>, _) = (Arc::downgrade(zcrx.provider()), Arc::new(AtomicUsize::new(0)));
    let asks = {
        let seen = seen.clone();
        move || {
            seen.fetch_add(zc.upgrade().unwrap().available(), SeqCst);
        }
    };
    for iov in net_iovs(host.device(), Arc::new(Last(2 * PAGE_SIZE, asks)), PAGE_SIZE) {
        zcrx.provider().release(iov);
    }
    assert_eq!(seen.load(SeqCst), 4);
    drop(zcrx);
    host.all_back();
}
