//! Code of others that panics: providers, hooks, callbacks, at each point where it is called. What was panicked over leaks, counted.

use super::rig::{FRAMES, Host, keep};
use netmem::mm::{FreePage, PAGE_SIZE, Zone};
use netmem::page_pool::{InitCallback, PagePoolParams, PoolHooks, PoolId, ProviderError, Refill};
use netmem::{MemoryProvider, NetmemRef, Page, PagePool};
use netmem_sim::dma::{Bounce, DmaBus};
use netmem_sim::kit::panics;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Panics where it is told to, once.
struct Trap {
    zone: Zone,
    at: Mutex<&'static str>,
    destroyed: AtomicUsize,
}

impl Trap {
    fn new(host: &Host, at: &'static str) -> Arc<Self> {
        Arc::new(Trap { zone: host.zone.clone(), at: Mutex::new(at), destroyed: AtomicUsize::new(0) })
    }
    fn set(&self, at: &'static str) {
        *self.at.lock().unwrap() = at;
    }
    fn step(&self, what: &'static str) {
        let mut at = self.at.lock().unwrap();
        if *at == what {
            *at = "";
            drop(at);
            panic!("{what}");
        }
    }
}

impl MemoryProvider for Trap {
    type Kind = Page;
    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
        self.step("init");
        Ok((PAGE_SIZE as u32) << params.order)
    }
    fn alloc(&self, out: &mut Refill<'_, Page>) {
        for _ in 0..out.wanted().min(8) {
            let Some(page) = self.zone.alloc(0) else { return };
            drop(out.push(page));
            self.step("alloc");
        }
    }
    fn release(&self, page: FreePage) {
        self.step("release");
        drop(page);
    }
    fn destroy(&self) {
        self.destroyed.fetch_add(1, SeqCst);
        self.step("destroy");
    }
    fn uninstall(&self) {
        self.step("uninstall");
    }
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.step("describe");
        f.write_str("trap")
    }
    fn wants_sync(&self) -> bool {
        self.step("wants_sync");
        true
    }
    fn is_page_allocator(&self) -> bool {
        self.step("is_page_allocator");
        false
    }
}

impl PoolHooks for Trap {
    fn state_hold(&self, _pool: PoolId, _memory: NetmemRef<'_>, _held: u32) {
        self.step("state_hold");
    }
    fn state_release(&self, _pool: PoolId, _memory: NetmemRef<'_>, _released: u32) {
        self.step("state_release");
    }
    fn release(&self, _pool: PoolId, _inflight: i32, _held: u32, _released: u32) {
        self.step("hook release");
    }
    fn update_nid(&self, _pool: PoolId, _nid: i32) {
        self.step("update_nid");
    }
}

/// Attempt: a provider that panics while a pool is made. Holds: there is no pool, nothing is kept, and `destroy` is called if
/// `init` had said yes.
#[test]
fn providers_that_panic_while_a_pool_is_made() {
    for (at, destroyed) in [("init", 0), ("wants_sync", 1)] {
        let host = Host::new();
        let trap = Trap::new(&host, at);
        // Providers are asked about syncs only for devices that need them.
        let params = PagePoolParams::for_device(Arc::new(Bounce::new()).driver_side(), 4096);
        assert_eq!(panics(|| PagePool::<Page>::new(params, trap.clone())), at);
        assert_eq!((trap.destroyed.load(SeqCst), Arc::strong_count(&trap)), (destroyed, 1));
        drop(trap);
        host.all_back();
    }
}

/// Attempt: a provider that panics while it is asked for memory, by each call that asks. Holds: the pool stays usable, with what it
/// was given before; nothing leaks.
#[test]
fn providers_that_panic_in_alloc() {
    type Ask = fn(&mut PagePool<Page>);
    let ways: [Ask; 4] = [
        |pool| drop(pool.alloc()),
        |pool| drop(pool.alloc_frag(64)),
        |pool| drop(pool.alloc_at_least(4000)),
        |pool| {
            pool.alloc_bulk(&mut netmem::page_pool::Batch::new());
        },
    ];
    for at in ["alloc", "is_page_allocator"] {
        for ask in ways {
            let host = Host::new();
            let trap = Trap::new(&host, at);
            let mut pool = PagePool::<Page>::new(host.params(), trap.clone()).unwrap();
            assert_eq!(panics(|| ask(&mut pool)), at);
            assert_eq!(pool.inflight(), usize::from(at == "alloc"), "what was pushed stays");
            ask(&mut pool);
            assert_eq!(pool.in_use(), 0);
            drop((pool, trap));
            host.all_back();
        }
    }
}

/// Attempt: a panic in the middle of a bulk allocation, when some of the batch are written. Holds: the batch has those, and they go
/// home with it.
#[test]
fn a_bulk_that_panics_half_way_keeps_what_it_had() {
    let host = Host::new();
    let trap = Trap::new(&host, "");
    let mut pool = PagePool::<Page>::new(host.params(), trap.clone()).unwrap();
    drop(pool.alloc()); // 8 are there: 7 in the cache, one in the ring
    trap.set("alloc");
    let mut batch = netmem::page_pool::Batch::new();
    assert_eq!(panics(|| pool.alloc_bulk(&mut batch)), "alloc");
    assert_eq!((batch.len(), pool.in_use(), pool.inflight()), (8, 8, 9));
    drop((batch, pool, trap));
    host.all_back();
}

/// Attempt: a provider or hook that panics while it gets memory back, from a drop, from the owner, from a bulk put, from a change of
/// node. Holds: the piece that it was given or told of leaks, or is freed by the unwinding, and the pool with it; the rest returns.
#[test]
fn panics_while_memory_leaves() {
    for (at, lost) in [("release", 0), ("state_release", 1)] {
        // From the drop of a handle, on another thread.
        let host = Host::new();
        let trap = Trap::new(&host, "");
        let mut pool = PagePool::<Page>::new(host.hooked(trap.clone()), trap.clone()).unwrap();
        let memory: Vec<_> = (0..17).map_while(|_| pool.alloc()).collect();
        keep(pool.id()); // by which a leak checker finds it
        drop(pool);
        trap.set(at);
        assert!(std::thread::spawn(move || drop(memory)).join().is_err());
        // The vector drops the rest while it unwinds.
        assert_eq!((host.zone.free_frames(), trap.destroyed.load(SeqCst)), (FRAMES - lost, 0), "{at}");
        drop(trap);
        host.back_but(lost, 0);

        // From the owner, as the node changes: the cache is emptied, and what is left of it stays in the pool.
        let host = Host::new();
        let trap = Trap::new(&host, "");
        let mut pool = PagePool::<Page>::new(host.hooked(trap.clone()), trap.clone()).unwrap();
        let memory = pool.alloc().unwrap();
        pool.recycle_direct(memory);
        trap.set(at);
        assert_eq!(panics(|| pool.nid_changed(1)), at);
        assert_eq!((pool.inflight(), pool.in_use()), (8, 1));
        assert!(pool.alloc().is_some());
        keep(pool.id());
        drop((pool, trap));
        let mapped = host.bus.stats().mapped();
        assert_eq!(mapped, 0, "the owner unmaps what is out, the lost one included");
        host.back_but(lost, 0);
    }
}

/// Attempt: a panic in the very drop of a pool, of its last handle, or of its observer. Holds: nothing is freed twice; what the owner had
/// not come to leaks with the pool, mapped.
#[test]
fn panics_while_a_pool_ends() {
    // `destroy` is the last word: all memory is back by then.
    let host = Host::new();
    let trap = Trap::new(&host, "destroy");
    let pool = PagePool::<Page>::new(host.params(), trap.clone()).unwrap();
    assert_eq!(panics(|| drop(pool)), "destroy");
    let mut pool = PagePool::<Page>::new(host.params(), trap.clone()).unwrap();
    let last = pool.alloc().unwrap();
    let shutdown = pool.shutdown(Duration::ZERO);
    drop(last);
    trap.set("destroy");
    assert_eq!(panics(|| drop(shutdown)), "destroy");
    assert_eq!((trap.destroyed.load(SeqCst), Arc::strong_count(&trap)), (2, 1));
    drop(trap);
    host.all_back();

    // The hook is told before the pool is freed: the pool leaks, empty.
    let host = Host::new();
    let trap = Trap::new(&host, "");
    let mut pool = PagePool::<Page>::new(host.hooked(trap.clone()), trap.clone()).unwrap();
    drop(pool.alloc());
    trap.set("hook release");
    keep(pool.id());
    assert_eq!(panics(|| drop(pool)), "hook release");
    assert_eq!(trap.destroyed.load(SeqCst), 0);
    drop(trap);
    host.all_back();

    // In the middle of the owner's drop: the cache that is left, the ring and the mappings leak with the pool.
    let host = Host::new();
    let trap = Trap::new(&host, "");
    let mut pool = PagePool::<Page>::new(host.params(), trap.clone()).unwrap();
    let (first, second) = (pool.alloc().unwrap(), pool.alloc().unwrap());
    drop(first); // in the ring
    trap.set("release");
    assert_eq!(panics(|| drop(pool)), "release");
    drop(second); // the ring is open still
    drop(trap);
    host.back_but(7, 7);
}

/// Attempt: hooks and callbacks that panic while memory enters, or the node changes. Holds: the piece leaks; the pool stays
/// usable, and its owner unmaps the lost piece, too.
#[test]
fn panics_while_memory_enters() {
    for at in ["state_hold", "init callback"] {
        let host = Host::new();
        let trap = Trap::new(&host, at);
        let callback: InitCallback = {
            let trap = trap.clone();
            Arc::new(move |_memory, bytes| {
                bytes.unwrap().fill(0xee);
                trap.step("init callback");
            })
        };
        let params = PagePoolParams { init_callback: Some(callback), ..host.hooked(trap.clone()) };
        let mut pool = PagePool::<Page>::new(params, trap.clone()).unwrap();
        assert_eq!(panics(|| pool.alloc()), at);
        assert_eq!((pool.inflight(), pool.in_use()), (1, 1));
        let mut memory = pool.alloc().unwrap();
        assert!(memory.bytes_mut().unwrap().iter().all(|byte| *byte == 0xee));
        trap.set("update_nid");
        assert_eq!(panics(|| pool.nid_changed(3)), "update_nid");
        drop((memory, pool, trap));
        host.back_but(1, 0);
    }
}

/// Attempt: a panic as a page of another node leaves the pool in the middle of a refill from the ring, on a device that needs syncs.
/// Holds: what the refill had taken is in the cache, and the device has been shown all of it.
#[test]
fn a_refill_that_panics_has_synced_what_it_took() {
    use netmem::provider::PageProvider;
    struct Once(AtomicUsize);
    impl PoolHooks for Once {
        fn state_release(&self, _pool: PoolId, memory: NetmemRef<'_>, _released: u32) {
            let other = !netmem::mm::netmem_is_pref_nid(memory, 0);
            assert!(!other || self.0.fetch_add(1, SeqCst) != 0, "a page of another node");
        }
    }
    /// Three pages of node 0, then one of node 1.
    struct Nodes([Arc<PageProvider>; 2]);
    impl MemoryProvider for Nodes {
        type Kind = Page;
        fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
            self.0[0].init(params)
        }
        fn alloc(&self, out: &mut Refill<'_, Page>) {
            for node in [0, 0, 0, 1] {
                if let Some(page) = self.0[node].zone().alloc(0) {
                    drop(out.push(page));
                }
            }
        }
        fn release(&self, page: FreePage) {
            drop(page);
        }
    }
    let bus = Arc::new(Bounce::new());
    let zones = [Zone::on_node(3, 0).unwrap(), Zone::on_node(1, 1).unwrap()];
    let hooks: Arc<dyn PoolHooks> = Arc::new(Once(AtomicUsize::new(0)));
    let device = PagePoolParams::for_device(bus.clone().driver_side(), 4096);
    let params = PagePoolParams { nid: Some(0), hooks: Some(hooks), ..device };
    let nodes = Arc::new(Nodes(zones.clone().map(PageProvider::new)));
    let mut pool = PagePool::<Page>::new(params, nodes).unwrap();
    let all: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
    assert_eq!(all.len(), 4);
    // The last that came in is of node 1, and the first to go out: into the ring it goes last.
    all.into_iter().rev().for_each(drop);
    let before = bus.stats().syncs_for_device;
    assert_eq!(panics(|| pool.alloc()), "a page of another node");
    assert_eq!(bus.stats().syncs_for_device - before, 3, "each that is in the cache");
    assert_eq!((pool.inflight(), pool.in_use()), (4, 1), "the one of node 1 is lost");
    drop(pool);
    assert_eq!((zones[0].free_frames(), zones[1].free_frames(), bus.stats().mapped()), (3, 0, 0));
    keep(zones);
}

/// Attempt: a provider that panics while it is described. Holds: nothing else happens.
#[test]
fn a_provider_that_panics_when_it_is_described() {
    let host = Host::new();
    let trap = Trap::new(&host, "describe");
    let pool = PagePool::<Page>::new(host.params(), trap.clone()).unwrap();
    assert_eq!(panics(|| format!("{}", pool.provider())), "describe");
    assert_eq!(format!("{}", pool.provider()), "trap");
    drop((pool, trap));
    host.all_back();
}
