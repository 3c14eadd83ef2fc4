//! A device that writes while safe code drops, forgets, swaps and panics around it. Rules D2, D5, O3 and P3.

use super::rig::{FRAMES, Host, keep};
use netmem::dma::{DmaDevice, DmaQueue, PeerError, PeerMemory};
use netmem::mm::PAGE_SIZE;
use netmem::netdev::{
    BindOptions, Capabilities, Hardware, NetDevice, PostError, QueueError, QueueMgmt, RxMemory, RxRing, Verdict, Xdp,
    XdpBuff,
};
use netmem::page_pool::{AnyProvider, Chunk, PagePoolParams, PoolError, PoolFlags};
use netmem::provider::DmabufProvider;
use netmem::skb::Skb;
use netmem::{Page, PagePool};
use netmem_drivers::{Driver, Polled, QueueConfig};
use netmem_sim::dma::Bounce;
use netmem_sim::kit::{Altered, Gate, generated, panics, wait_for};
use netmem_sim::nic::traffic::{Generator, Next, PayloadSize, Traffic, TrafficError};
use netmem_sim::nic::{Nic, NicError, NicParams, NicQueue};
use std::mem::{replace, swap, take};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

const BUFFER: u32 = 2048;
const FRAME: usize = 142;

fn frames(packets: u64) -> Box<Generator> {
    generated(1, packets, PayloadSize::Fixed(100))
}

fn nic(host: &Host, traffic: Box<dyn Traffic>) -> Nic {
    let pause = Some(Duration::from_secs(60));
    host.nic(NicParams { depth: 16, pause, max_frame: 2048, ..NicParams::default() }, traffic)
}

fn ring(nic: &mut Nic, pool: &mut PagePool<Page>) -> RxRing<NicQueue, Page> {
    let mut ring = RxRing::new(nic.rx_queue(0).unwrap()).unwrap();
    while ring.room() != 0 {
        ring.post(pool.alloc_frag(BUFFER).unwrap(), None).unwrap();
    }
    ring.kick();
    ring
}

fn driver(host: &Host, traffic: Box<dyn Traffic>, headers: bool) -> Driver<Nic> {
    let payload = PagePool::new(host.params(), AnyProvider::from(host.pages())).unwrap();
    let memory = RxMemory::new(payload, headers.then(|| host.pool()));
    Driver::new(nic(host, traffic), vec![QueueConfig { buffer_size: BUFFER, ..QueueConfig::new(memory) }]).unwrap()
}

/// Traffic, and what makes it begin.
fn gated(packets: u64) -> (mpsc::Sender<()>, Box<dyn Traffic>) {
    let (open, traffic) = Gate::new(frames(packets));
    (open, traffic)
}

/// Polls until `done`, at most so often that a minute passes.
fn poll_until<T>(
    driver: &mut Driver<Nic>,
    mut deliver: impl FnMut(Skb) -> Option<Skb>,
    mut done: impl FnMut(&Driver<Nic>) -> Option<T>,
) -> T {
    for _ in 0..6000 {
        if let Some(result) = done(driver) {
            return result;
        }
        if driver.poll(8, &mut deliver).work == 0 {
            driver.hardware().wait(Duration::from_millis(10));
        }
    }
    panic!("nothing came of it in a minute");
}

fn completed(nic: &Nic, ring: &mut RxRing<NicQueue, Page>) -> netmem::netdev::Completed<Page> {
    wait_for(nic, || ring.complete()).unwrap()
}

fn wait_for_the_end(nic: &Nic) {
    wait_for(nic, || nic.has_ended().then_some(()));
}

/// Attempt: a ring dropped while the device writes, before or after its pool and its NIC, here or on another thread. Holds: the
/// device is stopped before a buffer returns; nothing is mapped or out.
#[test]
fn running_rings_are_dropped_in_any_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let host = Host::new();
        let mut nic = nic(&host, frames(1000));
        let mut pool = host.pool();
        let mut ring = ring(&mut nic, &mut pool);
        let frame = completed(&nic, &mut ring).payload;
        let (mut nic, mut pool, mut ring) = (Some(nic), Some(pool), Some(ring));
        for what in order {
            match what {
                0 => drop(nic.take()),
                1 => drop(pool.take()),
                _ => {
                    let ring = ring.take();
                    std::thread::spawn(move || drop(ring)).join().unwrap();
                }
            }
        }
        drop(frame); // never synced, so nobody saw a byte of it
        let stats = host.bus.stats();
        // A pool that goes before its ring leaves mapped what the device has, so DMA there does not fault.
        assert_eq!((host.zone.free_frames(), stats.mapped(), stats.faults), (FRAMES, 0, 0), "{order:?}");
    }
}

/// Attempt: `forget` of a running ring. Holds: the device keeps the buffers, for ever, and so does the zone. They stay mapped
/// when their pool goes, because the device writes them still.
#[test]
fn a_running_ring_that_is_forgotten_keeps_its_buffers() {
    let host = Host::new();
    let mut nic = nic(&host, frames(1000));
    let mut pool = host.pool();
    let ring = ring(&mut nic, &mut pool);
    keep(ring); // which is what `forget` does
    let shutdown = pool.shutdown(Duration::ZERO);
    assert_eq!(shutdown.inflight(), 8, "16 buffers of half a page");
    nic.finish().unwrap();
    drop((nic, shutdown));
    host.back_but(8, 8);
}

/// Attempt: buffers of another device's pool, of a pool without a device, of one that is gone, posted to a ring; and one ring's queue asked
/// behind its back. Holds: each comes back with the reason.
#[test]
fn counterfeit_buffers_are_not_posted() {
    let (host, other) = (Host::new(), Host::new());
    let (_shut, silence) = gated(1);
    let mut nic = nic(&host, silence);
    let mut queue = nic.rx_queue(0).unwrap();
    assert!(queue.complete().is_none() && queue.depth() == 16);
    let mut ring: RxRing<_, Page> = RxRing::new(queue).unwrap();
    let mut unmapped = PagePool::<Page>::new(PagePoolParams::default(), host.pages()).unwrap();
    let mut gone = host.pool();
    let mut good = host.pool();
    let mut late = gone.alloc_frag(BUFFER).unwrap();
    let late_addr = late.dma_addr();
    drop(gone);
    for frag in
        [other.pool().alloc_frag(BUFFER).unwrap(), unmapped.alloc_frag(BUFFER).unwrap(), late.split_off(64).unwrap()]
    {
        let refused = ring.post(frag, None).unwrap_err();
        assert_eq!(refused.reason, PostError::NotMapped);
        let refused = ring.post(good.alloc_frag(BUFFER).unwrap(), Some(refused.back.payload)).unwrap_err();
        assert_eq!((refused.reason, refused.back.payload.len()), (PostError::NotMapped, BUFFER));
    }
    assert_eq!(late.dma_addr(), late_addr, "an old number, where nothing is");
    for headroom in [BUFFER, BUFFER + 1, u32::MAX] {
        let refused = ring.post_behind(good.alloc_frag(BUFFER).unwrap(), headroom, None).unwrap_err();
        assert!(matches!(refused.reason, PostError::Headroom { .. }));
    }
    assert_eq!(ring.posted(), 0);
    drop((ring, nic, unmapped, good, late));
    host.all_back();
    other.all_back();
}

/// Attempt: a buffer synced by a pool that it is not of, as pools are swapped between post and completion. Holds: it comes back
/// unsynced, and its own pool makes it readable.
#[test]
fn pools_that_are_swapped_under_a_ring() {
    let host = Host::new();
    let mut nic = nic(&host, frames(1));
    let (mut pool, mut wrong) = (host.pool(), host.pool());
    let mut ring = ring(&mut nic, &mut pool);
    swap(&mut pool, &mut wrong);
    let buffer = completed(&nic, &mut ring).payload;
    let refused = pool.sync_for_cpu(buffer).unwrap_err();
    assert!(refused.to_string().contains("not of this one"));
    let frag = wrong.sync_for_cpu(refused.back).unwrap();
    assert_eq!((frag.len() as usize, frag.bytes().len()), (FRAME, FRAME));
    let frag = frag.into_netmem().expect_err("what lies behind the frame was not received");
    drop((frag, ring, pool, wrong, nic));
    host.all_back();
}

/// Attempt: NICs swapped under two drivers, the core's notes replaced under one, rings taken by hand. Holds: a driver posts to its
/// own device or not at all, and goes on with the ring that it has.
#[test]
fn devices_that_are_swapped_under_drivers() {
    let (one, two) = (Host::new(), Host::new());
    let mut drivers = [driver(&one, frames(50), true), driver(&two, frames(50), true)];
    let [first, second] = &mut drivers;
    swap(first.hardware(), second.hardware());
    for driver in &mut drivers {
        // The notes say that headers are not split and nothing is bound: what is bound must not become readable by that.
        *driver.net_device_mut() = NetDevice::new(Capabilities::default(), 7).unwrap();
        assert!(netmem::netdev::restart(driver, 0).is_err(), "its pools are not mapped for that device");
        let taken = driver.hardware().rx_queue(0);
        assert!(taken.is_some());
        assert!(netmem::netdev::restart(driver, 0).is_err());
        drop(taken);
    }
    let [first, second] = &mut drivers;
    swap(first.hardware(), second.hardware());
    for driver in &mut drivers {
        let mut packets = 0;
        poll_until(
            driver,
            |skb| {
                packets += 1;
                Some(skb)
            },
            |driver| (driver.stats(0)?.packets == 50).then_some(()),
        );
        assert_eq!(packets, 50);
    }
    drop(drivers);
    one.all_back();
    two.all_back();
}

/// Attempt: the driver's queue calls used by hand: stopped twice, its memory started elsewhere, dropped, forgotten. Holds: memory is used
/// once, by the ring that it is mapped for.
#[test]
fn queue_memory_that_is_started_elsewhere() {
    let (one, two) = (Host::new(), Host::new());
    let ((_shut, silence), (_closed, quiet)) = (gated(1), gated(1));
    let (mut first, mut second) = (driver(&one, silence, false), driver(&two, quiet, false));
    let memory = first.queue_stop(0).unwrap();
    assert!(first.queue_stop(0).is_err());
    assert_eq!(first.poll(8, Some).work, 0);
    let theirs = second.queue_stop(0).unwrap();
    let refused = second.queue_start(0, memory).unwrap_err();
    assert_eq!(refused.reason, QueueError::Post { queue: 0, reason: PostError::NotMapped });
    for _ in 0..3 {
        assert_eq!(second.poll(8, Some).work, 0);
    }
    assert_eq!(second.posted(0), Some((0, 0)), "not one of the other device's buffers");
    drop(refused);
    assert!(second.queue_start(7, theirs).is_err_and(|error| error.reason != QueueError::NoBuffers));
    drop((first, second));
    one.all_back();
    two.all_back();
}

/// Attempt: `deliver` that panics in the middle of a poll, again and again. Holds: that packet is lost and returns; the driver goes
/// on with the next.
#[test]
fn a_deliver_that_panics_loses_its_packet() {
    let host = Host::new();
    let mut driver = driver(&host, frames(60), true);
    let mut seen = 0_u64;
    while seen < 60 {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            poll_until(
                &mut driver,
                |skb| {
                    seen += 1;
                    assert!(seen % 3 != 0, "deliver");
                    (seen % 2 == 0).then_some(skb)
                },
                |driver| (driver.stats(0)?.packets == 60).then_some(()),
            );
        }));
        assert!(panicked.is_ok() || seen % 3 == 0);
    }
    assert_eq!(driver.stats(0).unwrap().packets, 60);
    drop(driver);
    host.all_back();
}

/// Attempt: an XDP program that panics, keeps packets, hands in others, and forgets them. Holds: it has what it was given, which is
/// host memory that it alone has; each buffer returns to its own pool, and the packet behind a panic is received.
#[test]
fn programs_that_do_what_they_like() {
    let host = Host::new();
    let (open, traffic) = gated(40);
    let mut driver = driver(&host, traffic, false);
    let (kept, mut own) = (Arc::new(Mutex::new(Vec::new())), host.pool());
    let (keeps, mut count) = (kept.clone(), 0);
    let xdp = Xdp::new(move |mut buff| {
        count += 1;
        buff.bytes_mut().fill(count);
        match count % 8 {
            0 => panic!("program"),
            1 => {
                // Passed, and kept: by handing in another one.
                let mut other = XdpBuff::try_from(own.alloc_frag(FRAME as u32).unwrap()).unwrap();
                other.bytes_mut().fill(0xee);
                keeps.lock().unwrap().push(replace(&mut buff, other));
                Verdict::Drop(buff)
            }
            2 => Verdict::Tx(buff),
            3 => Verdict::Redirect(buff, 1),
            _ => Verdict::Pass(buff),
        }
    })
    .on_redirect(|buff, _| {
        drop(buff);
        Ok(())
    });
    driver.attach_xdp(Some(xdp)).unwrap();
    open.send(()).unwrap();
    let (mut passed, mut panicked) = (0, 0);
    for _ in 0..6000 {
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            driver.poll(4, |skb| {
                passed += 1;
                Some(skb)
            })
        }));
        panicked += usize::from(polled.is_err());
        if driver.hardware().has_ended() && matches!(polled, Ok(Polled { work: 0, .. })) {
            break;
        }
        driver.hardware().wait(Duration::from_millis(1));
    }
    let stats = driver.stats(0).unwrap();
    assert_eq!((passed, panicked, stats.packets), (20, 5, 20), "four of eight pass");
    assert_eq!((stats.xdp_drop, stats.xdp_sent, stats.xdp_unsent, stats.xdp_multi_buffer), (5, 5, 5, 0));
    let kept = take(&mut *kept.lock().unwrap());
    assert_eq!(kept.iter().map(|buff| buff.bytes()[FRAME - 1]).collect::<Vec<_>>(), [1, 9, 17, 25, 33]);
    drop(driver);
    drop(kept);
    host.all_back();
}

/// Attempt: memory of a device that panics as the NIC writes it, and traffic that panics. Holds: the engine ends, says so, and stops
/// its queues: nobody who drops a ring waits for it for ever.
#[test]
fn an_engine_that_panics_stops_its_queues() {
    struct Bomb(usize);
    impl PeerMemory for Bomb {
        fn len(&self) -> usize {
            self.0
        }
        fn write(&self, _offset: usize, _bytes: &[u8]) -> Result<(), PeerError> {
            panic!("bomb");
        }
    }
    struct Broken;
    impl Traffic for Broken {
        fn next_frame(&mut self, _frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
            panic!("broken")
        }
        fn describe(&self) -> String {
            "broken".into()
        }
    }
    let host = Host::new();
    let len = 64 * PAGE_SIZE;
    let bomb =
        DmabufProvider::bind(host.device(), Arc::new(Bomb(len)), &[Chunk { offset: 0, len }], PAGE_SIZE).unwrap();
    let payload = PagePool::new(host.params(), AnyProvider::from(bomb.clone())).unwrap();
    let memory = RxMemory::new(payload, Some(host.pool()));
    let config = QueueConfig { buffer_size: BUFFER, ..QueueConfig::new(memory) };
    let mut driver = Driver::new(nic(&host, frames(10)), vec![config]).unwrap();
    wait_for_the_end(driver.hardware());
    assert!(matches!(driver.hardware().finish(), Err(NicError::Panicked(text)) if text == "bomb"));
    drop(driver);
    drop(bomb);

    let mut broken = nic(&host, Box::new(Broken));
    let mut pool = host.pool();
    let ring = ring(&mut broken, &mut pool);
    drop(ring);
    wait_for_the_end(&broken);
    assert!(matches!(broken.finish(), Err(NicError::Panicked(text)) if text == "broken"));
    drop((broken, pool));
    host.all_back();
}

/// Attempt: a ring, and the NIC itself, dropped on the device's own thread, which would wait for itself. Holds: it panics instead; the buffers
/// leak, as the device may still have them.
#[test]
fn a_ring_that_its_own_device_drops() {
    struct Eats(mpsc::Receiver<RxRing<NicQueue, Page>>, Box<Generator>, u32);
    impl Traffic for Eats {
        fn next_frame(&mut self, frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
            self.2 += 1;
            if self.2 == 3 {
                drop(self.0.recv().unwrap());
            }
            self.1.next_frame(frame)
        }
        fn describe(&self) -> String {
            "a trap".into()
        }
    }
    let host = Host::new();
    let (give, eats) = mpsc::channel();
    let mut nic = nic(&host, Box::new(Eats(eats, frames(100), 0)));
    let mut pool = host.pool();
    let mut ring = ring(&mut nic, &mut pool);
    let frame = completed(&nic, &mut ring);
    keep(pool.id());
    give.send(ring).unwrap();
    assert!(matches!(nic.finish(), Err(NicError::Panicked(text)) if text.contains("own thread")));
    drop((nic, frame, pool));
    let lost = FRAMES - host.zone.free_frames();
    assert!((1..=8).contains(&lost), "what was posted: {lost}");
    // What the device may still have stays mapped: what was posted, and what was received of the same pages' pool.
    let mapped = host.bus.stats().mapped();
    host.back_but(lost, mapped);
}

/// Attempt: a ring that was halted on the device's own thread, and panicked, is asked what it has, and used. Holds: it counts what the
/// device may still have, takes nothing, gives nothing, and says so.
#[test]
fn a_ring_that_its_own_device_halts() {
    type Ring = RxRing<NicQueue, Page>;
    struct Halts(mpsc::Receiver<Ring>, mpsc::Sender<Ring>);
    impl Traffic for Halts {
        fn next_frame(&mut self, _frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
            let mut ring = self.0.recv().unwrap();
            assert!(panics(|| ring.halt()).contains("own thread"));
            self.1.send(ring).unwrap();
            Ok(Next::End)
        }
        fn describe(&self) -> String {
            "a trap".into()
        }
    }
    let host = Host::new();
    let ((give, halts), (back, got)) = (mpsc::channel(), mpsc::channel());
    let mut nic = nic(&host, Box::new(Halts(halts, back)));
    let mut pool = host.pool();
    let whole = ring(&mut nic, &mut pool);
    give.send(whole).unwrap();
    let mut ring = got.recv().unwrap();
    assert_eq!((ring.depth(), ring.room(), ring.posted()), (16, 0, 16));
    assert!(format!("{ring:?}").contains("posted: 16"), "{ring:?}");
    let refused = ring.post(pool.alloc_frag(BUFFER).unwrap(), None).unwrap_err();
    assert_eq!(refused.reason, PostError::Halted);
    assert!(ring.complete().is_none());
    ring.halt();
    assert_eq!(ring.stop().count(), 0, "the device may have them still");
    drop((refused, nic, pool));
    host.back_but(8, 8);
}

/// Attempt: a provider of pages that says that its memory needs no sync, to read what the device has not shown. Holds: no pool
/// over it is made for a device that needs syncs, whether it is asked for pages or for memory of either kind.
#[test]
fn pages_that_want_no_sync() {
    let host = Host::new();
    let bounce: Arc<dyn DmaDevice> = Arc::new(Bounce::new());
    let params = || PagePoolParams::for_device(bounce.clone(), PAGE_SIZE as u32);
    // Yes the first time, no the second, and so on: it is asked once.
    let dry = |asked| {
        let asked = AtomicU32::new(asked);
        Altered::of(host.pages()).wants_sync(move |_| asked.fetch_add(1, SeqCst) % 2 == 1).into_arc()
    };
    let refused = PagePool::<Page>::new(params(), dry(0)).unwrap_err();
    assert_eq!(refused, PoolError::ReadableUnsynced);
    assert!(refused.to_string().contains("wants_sync"), "{refused}");
    assert_eq!(
        PagePool::<netmem::PageOrIov>::new(params(), AnyProvider::from(dry(0))).unwrap_err(),
        PoolError::ReadableUnsynced
    );
    let mapped = PagePoolParams { flags: PoolFlags::DMA_MAP, ..params() };
    assert_eq!(PagePool::<Page>::new(mapped, dry(0)).unwrap_err(), PoolError::ReadableUnsynced);
    // A device that needs no sync does not mind, and one answer is all that counts.
    drop(PagePool::<Page>::new(host.params(), dry(0)).unwrap());
    let mut pool = PagePool::<Page>::new(params(), dry(1)).unwrap();
    drop(pool.alloc().unwrap());
    drop(pool);
    host.all_back();
}

/// Attempt: bindings dropped, kept past the device, taken to another driver, in any order, with frames out. Holds: each unbinds what it
/// bound, once; what is out stays valid, and nothing stays mapped.
#[test]
fn bindings_in_any_order() {
    let (host, other) = (Host::new(), Host::new());
    let ((_shut, silence), (_closed, quiet)) = (gated(1), gated(1));
    let (mut first, mut second) = (driver(&host, silence, true), driver(&other, quiet, true));
    let dmabuf = host.dmabuf(32);
    let bind = |driver: &mut Driver<Nic>| driver.bind(0, dmabuf.clone().into(), BindOptions::default());
    let stale = bind(&mut first).unwrap();
    assert!(bind(&mut second).is_err_and(|error| error.to_string().contains("another device")));
    let refused = second.unbind(stale).unwrap_err();
    assert!(refused.back.is_bound());
    let mut stale = refused.back;
    assert!(bind(&mut first).is_err(), "it is bound");
    let mine = {
        drop(replace(&mut stale, second.bind(0, other.dmabuf(32).into(), BindOptions::default()).unwrap()));
        let _ = first.poll(1, Some); // which unbinds what was dropped
        assert!(first.net_device().bound(0).is_none());
        bind(&mut first).unwrap()
    };
    drop(first);
    assert!(!mine.is_bound());
    assert!(second.unbind(mine).is_ok(), "it is good for nothing, and harmless");
    assert!(stale.is_bound());
    drop(stale);
    drop(second);
    drop(dmabuf);
    host.all_back();
    other.all_back();
}

/// Attempt: a provider that panics as it is taken off its queue. Holds: the panic comes out of the call, or the drop, that took it off; the
/// device is stopped by then, and all memory returns.
#[test]
fn a_provider_that_panics_when_it_is_taken_off() {
    for end in 0..3 {
        let host = Host::new();
        let mut driver = Some(driver(&host, frames(10), true));
        let sticky = Altered::of(host.pages()).uninstall(|_| panic!("sticky")).into_arc();
        let on = driver.as_mut().unwrap();
        let binding = on.bind_pages(0, sticky.clone(), BindOptions::default()).unwrap();
        match end {
            0 => assert_eq!(panics(|| on.unbind(binding)), "sticky"),
            1 => assert_eq!(panics(|| on.unregister()), "sticky"),
            _ => assert_eq!(panics(|| drop(driver.take())), "sticky"),
        }
        // It has been told once.
        drop(driver);
        assert_eq!(Arc::strong_count(&sticky), 1);
        drop(sticky);
        host.all_back();
    }
}
