//! Who goes first. Rule O4 and the shutdown, in every order there is.

use super::rig::{FRAMES, Host};
use netmem::mm::{PAGE_SIZE, Zone};
use netmem::page_pool::{AnyProvider, Batch, Chunk, PagePoolParams};
use netmem::provider::{DmabufProvider, PageProvider};
use netmem::{Netmem, PagePool};
use netmem_consumers::zcrx::{UserArea, Zcrx, ZcrxParams};
use netmem_sim::HugeProvider;
use netmem_sim::dma::{DmaBus, Iommu};
use netmem_sim::kit::Vram;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// Every order of `n` things.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(n - 1);
    shorter.iter().flat_map(|order| (0..n).map(move |at| [&order[..at], &[n - 1], &order[at..]].concat())).collect()
}

/// Drops things in an order, by turns here and on another thread.
fn drop_in(order: &[usize], mut things: Vec<Option<Box<dyn Any + Send>>>) {
    for (turn, &at) in order.iter().enumerate() {
        let thing = things[at].take();
        if turn % 2 == 0 {
            drop(thing);
        } else {
            std::thread::spawn(move || drop(thing)).join().unwrap();
        }
    }
}

/// Attempt: pool, provider, device, zone and handles dropped in each of 120 orders, for three kinds of memory. Holds: the last one
/// takes the rest with it, whoever it is; nothing is mapped or out.
#[test]
fn any_order_of_dropping_leaves_nothing() {
    for order in orders(5) {
        for kind in 0..3 {
            let (bus, zone) = (Arc::new(Iommu::new()), Zone::new(1024).unwrap());
            let device = bus.clone().driver_side();
            let chunks = [Chunk { offset: 0, len: 64 * PAGE_SIZE }];
            let provider: AnyProvider = match kind {
                0 => PageProvider::new(zone.clone()).into(),
                1 => HugeProvider::new(zone.clone()).into(),
                _ => DmabufProvider::bind(device.clone(), Arc::new(Vram(64 * PAGE_SIZE)), &chunks, PAGE_SIZE)
                    .unwrap()
                    .into(),
            };
            let watch = zone.clone();
            let params = PagePoolParams { pool_size: 4, ..PagePoolParams::for_device(device.clone(), 4096) };
            let mut pool: PagePool = PagePool::new(params, provider.clone()).unwrap();
            let frag = pool.alloc_frag(100).unwrap();
            let handles: Vec<Netmem> = (0..9).map_while(|_| pool.alloc()).collect();
            let things: [Box<dyn Any + Send>; 5] =
                [Box::new(pool), Box::new(provider), Box::new(device), Box::new(zone), Box::new((frag, handles))];
            drop_in(&order, things.into_iter().map(Some).collect());
            assert_eq!(
                (watch.free_frames(), bus.stats().mapped(), bus.stats().faults),
                (1024, 0, 0),
                "{order:?} {kind}"
            );
        }
    }
}

/// Attempt: a program's instance, its ring, the pool, what the pool gave out, the program's pieces and the memory itself dropped in
/// each of 720 orders. Holds: nothing is left mapped, and nobody keeps the program's memory.
#[test]
fn any_order_of_closing_zcrx_leaves_nothing() {
    for order in orders(6) {
        let bus = Arc::new(Iommu::new());
        let device = bus.clone().driver_side();
        let memory = Arc::new(Vram(80 * PAGE_SIZE));
        let (zcrx, mut user) =
            Zcrx::register(ZcrxParams::new(device.clone(), 64), UserArea::whole(memory.clone())).unwrap();
        let weak = Arc::downgrade(&memory);
        let params = PagePoolParams { pool_size: 4, ..PagePoolParams::for_device(device, 4096) };
        let mut pool = PagePool::<netmem::NetIov>::new(params, zcrx.provider().clone()).unwrap();
        let mut frags: Vec<_> = (0..6).map(|_| pool.alloc_frag(2048).unwrap()).collect();
        for frag in frags.drain(3..) {
            zcrx.post(frag).unwrap();
        }
        // Of three pieces the program has two as values; the third stays in the ring.
        let pieces = [user.receive().unwrap().unwrap(), user.receive().unwrap().unwrap()];
        let things: [Box<dyn Any + Send>; 6] =
            [Box::new(zcrx), Box::new(user), Box::new(pool), Box::new(frags), Box::new(pieces), Box::new(memory)];
        drop_in(&order, things.into_iter().map(Some).collect());
        assert_eq!((bus.stats().mapped(), bus.stats().faults, weak.strong_count()), (0, 0, 0), "{order:?}");
    }
}

/// Attempt: observers of a shutdown that outlive pool, handles and provider, or go while the last handle does, on another thread. Holds:
/// they see the count fall to 0, and whoever is last frees the rest, once.
#[test]
fn observers_may_outlive_everything() {
    let host = Host::new();
    let observers: Vec<_> = (0..100)
        .map(|round| {
            let mut pool = host.pool();
            let memory = pool.alloc().unwrap();
            let second = memory.get();
            let shutdown = pool.shutdown(Duration::from_secs(round));
            let last = std::thread::spawn(move || drop(memory));
            if round % 2 == 0 {
                drop(second);
                last.join().unwrap();
                assert!(shutdown.is_done() && shutdown.check(Duration::ZERO).is_ok());
                return Some(shutdown);
            }
            // The observer goes while the last handle may.
            drop((shutdown, second));
            last.join().unwrap();
            None
        })
        .collect();
    host.all_back();
    assert!(observers.iter().flatten().all(|shutdown| shutdown.inflight() == 0 && shutdown.is_done()));
}

/// Attempt: batches of handles of pools that are gone, shut down and alive, put by threads at once. Holds: each piece finds its
/// own pool or its provider.
#[test]
fn batches_of_dead_pools_are_put_by_anybody() {
    let host = Host::new();
    let dmabuf = host.dmabuf(40);
    let mut batches: Vec<Batch> = Vec::new();
    let mut observers = Vec::new();
    let mut alive = host.pool();
    for round in 0..8 {
        let (mut pages, mut iovs) = (host.pool(), host.iov_pool(&dmabuf));
        let mut batch = Batch::new();
        for _ in 0..5 {
            let of_dead = iovs.alloc().map(Netmem::from).unwrap();
            for memory in [pages.alloc().unwrap().into(), of_dead.get(), of_dead, alive.alloc().unwrap().into()] {
                assert!(batch.push(memory).is_ok());
            }
        }
        batches.push(batch);
        match round % 2 {
            0 => drop((pages, iovs)),
            _ => observers.extend([pages.shutdown(Duration::ZERO), iovs.shutdown(Duration::ZERO)]),
        }
    }
    assert_eq!(host.bus.stats().mapped(), alive.inflight() as u64 + 1, "what is out of dead pools is unmapped");
    std::thread::scope(|scope| batches.into_iter().for_each(|batch| drop(scope.spawn(move || drop(batch)))));
    assert!(observers.iter().all(|observer| observer.is_done()));
    assert_eq!((alive.in_use(), dmabuf.available()), (0, 40));
    assert!(host.zone.free_frames() < FRAMES);
    drop((alive, dmabuf));
    assert_eq!(host.bus.stats().mapped(), 1, "observers keep the provider, and that its mapping");
    drop(observers);
    host.all_back();
}
