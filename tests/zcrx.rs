//! zcrx: what a program gets, what it gives back and what happens when it lies, leaves or is slow. Rules C4, O3 and O5
//! where they are checked at run time.

use netmem::dma::{Bounce, Coherent, DmaBus, DmaDevice, DmaDirection, Iommu, PeerError, PeerMemory};
use netmem::driver::Hardware;
use netmem::mm::Zone;
use netmem::netdev::RxRing;
use netmem::nic::traffic::{Generator, GeneratorParams, PayloadSize};
use netmem::nic::{Nic, NicParams};
use netmem::page_pool::{AnyProvider, PagePoolParams, PoolError, Refused};
use netmem::provider::zcrx::{
    CopyError, PostError, RefillUser, RegisterError, UserArea, Zcrx, ZcrxCqe, ZcrxEvent, ZcrxEvents, ZcrxParams,
    ZcrxRqe,
};
use netmem::provider::{Chunk, DmabufProvider, DmabufTxBinding, Memfd, PageProvider};
use netmem::skb::{Skb, ZcrxError, ZcrxReceive};
use netmem::{Frag, MemoryProvider, NetIov, Page, PagePool};
use std::sync::Arc;
use std::time::Duration;

/// More than a pool takes at once, so that some are free to copy to.
const NIOVS: usize = 80;
const ENTRIES: u32 = 128;

struct Rig {
    bus: Arc<Bounce>,
    memory: Arc<Memfd>,
    zcrx: Zcrx,
    user: RefillUser,
    pool: PagePool<NetIov>,
}

fn rig() -> Rig {
    let bus = Arc::new(Bounce::new());
    let device = bus.clone().driver_side();
    let memory = Memfd::new("program", NIOVS << 12).unwrap();
    let (zcrx, user) =
        Zcrx::register(ZcrxParams::new(device.clone(), ENTRIES), UserArea::whole(memory.clone())).unwrap();
    let params = PagePoolParams { pool_size: 64, ..PagePoolParams::for_device(device, 4096) };
    let pool = PagePool::<NetIov>::new(params, zcrx.provider().clone()).unwrap();
    Rig { bus, memory, zcrx, user, pool }
}

impl Rig {
    fn post(&mut self, size: u32) -> ZcrxCqe {
        let frag = self.pool.alloc_frag(size).expect("some are free");
        self.zcrx.post(frag).unwrap()
    }

    /// Everything that the pool can get.
    fn drain(&mut self) -> Vec<Frag<NetIov>> {
        std::iter::from_fn(|| self.pool.alloc()).map(|memory| memory.into_frag().unwrap()).collect()
    }
}

fn read(memory: &Memfd, piece: ZcrxCqe) -> Vec<u8> {
    let mut bytes = vec![0; piece.len as usize];
    memory.map().unwrap().read(piece.offset() as usize, &mut bytes).unwrap();
    bytes
}

#[test]
fn what_the_program_has_the_pool_does_not_reuse() {
    let mut rig = rig();
    let pieces: Vec<_> = rig.drain().into_iter().map(|frag| rig.zcrx.post(frag).unwrap()).collect();
    let mut offsets: Vec<_> = pieces.iter().map(|piece| (piece.area(), piece.offset(), piece.len)).collect();
    offsets.sort();
    assert_eq!(offsets, (0..NIOVS as u64).map(|i| (0, i << 12, 4096)).collect::<Vec<_>>());
    assert!(rig.pool.alloc().is_none());
    assert_eq!((rig.zcrx.provider().with_user(), rig.zcrx.provider().available()), (NIOVS, 0));
    rig.user.give_back(pieces[5]).unwrap();
    let again = rig.pool.alloc().expect("one came back").into_frag().unwrap();
    assert_eq!(rig.zcrx.post(again).unwrap(), pieces[5], "that one");
    assert!(rig.pool.alloc().is_none());
}

#[test]
fn pieces_of_one_net_iov_come_back_one_by_one() {
    let mut rig = rig();
    let (first, second, third) = (rig.post(1500), rig.post(1500), rig.post(2048));
    assert_eq!((second.offset() - first.offset(), third.offset() & 4095), (1536, 0));
    assert_eq!(rig.zcrx.provider().with_user(), 2);
    for (piece, with_user) in [(second, 2), (first, 1), (third, 0)] {
        rig.user.give_back(piece).unwrap();
        rig.zcrx.flush();
        assert_eq!(rig.zcrx.provider().with_user(), with_user);
    }
    assert_eq!((rig.zcrx.stats().returned, rig.zcrx.stats().skipped()), (3, 0));
}

#[test]
fn a_refill_counts_nothing_twice_and_is_synced() {
    let mut rig = rig();
    for piece in rig.drain().into_iter().map(|frag| rig.zcrx.post(frag).unwrap()).collect::<Vec<_>>() {
        rig.user.give_back(piece).unwrap();
    }
    let (before, syncs) = (rig.pool.stats(), rig.bus.stats().syncs_for_device);
    assert_eq!((rig.pool.inflight(), syncs), (NIOVS, NIOVS as u64), "fresh ones are counted and synced");
    let all = rig.drain();
    assert_eq!((all.len(), rig.pool.inflight()), (NIOVS, NIOVS), "counted already");
    assert_eq!(rig.bus.stats().syncs_for_device, 2 * syncs);
    let after = rig.pool.stats();
    assert_eq!((after.recycle_cached, after.recycle_ring), (before.recycle_cached, before.recycle_ring));
    assert_eq!((after.alloc_slow, after.alloc_refill), (0, 0));
}

/// The rules of Linux, entry by entry.
#[test]
fn entries_that_name_nothing_are_skipped_and_counted() {
    let mut rig = rig();
    let pieces: Vec<_> = (0..4).map(|_| rig.post(4096)).collect();
    let free = (0..NIOVS as u64).find(|i| pieces.iter().all(|piece| piece.offset() >> 12 != *i)).unwrap();
    let ring = rig.user.ring().clone();
    let entries = [
        ZcrxRqe { pad: 1, ..pieces[0].rqe() },
        ZcrxRqe { off: pieces[0].off | 1 << 48, ..Default::default() },
        ZcrxRqe { off: u64::MAX, len: u32::MAX, pad: 0 },
        ZcrxRqe { off: (NIOVS as u64) << 12, ..Default::default() },
        ZcrxRqe { off: (1 << 48) - 1, ..Default::default() },
        // A net_iov that the program does not have.
        ZcrxRqe { off: free << 12, ..Default::default() },
        // Offset and length within a net_iov do not matter.
        ZcrxRqe { off: pieces[1].off + 4095, len: 77, pad: 0 },
        // Given back twice in a row, as one: it has not two, so it gives back none.
        pieces[2].rqe(),
        pieces[2].rqe(),
        // Twice, with another in between.
        pieces[3].rqe(),
        pieces[1].rqe(),
        pieces[3].rqe(),
    ];
    for (position, entry) in entries.iter().enumerate() {
        ring.store(position as u32, *entry);
    }
    ring.store_tail(entries.len() as u32);
    drop(rig.drain());
    let stats = rig.zcrx.stats();
    assert_eq!((stats.entries, stats.bad_pad, stats.bad_area, stats.bad_index), (12, 1, 2, 2));
    assert_eq!((stats.not_held, stats.returned), (1 + 2 + 1 + 1, 2));
    assert_eq!((rig.zcrx.provider().with_user(), ring.head()), (2, 12));
}

#[test]
fn head_and_tail_may_be_anything() {
    let mut rig = rig();
    let piece = rig.post(4096);
    let ring = rig.user.ring().clone();
    for tail in [u32::MAX, 1 << 31, ENTRIES + 1, ENTRIES - 1, 0] {
        ring.store_head(tail ^ 0x5555);
        ring.store_tail(tail);
        rig.zcrx.flush();
        drop(rig.drain());
    }
    assert!(rig.zcrx.stats().entries <= 5 * 4 * 512, "each look is bounded: {:?}", rig.zcrx.stats());
    // The program that behaves again finds its place by the head.
    let head = ring.head();
    ring.store(head, piece.rqe());
    ring.store_tail(head.wrapping_add(1));
    rig.zcrx.flush();
    assert_eq!(rig.zcrx.provider().with_user(), 0);
}

#[test]
fn a_flush_stops_behind_an_entry_that_names_nothing() {
    let mut rig = rig();
    let (first, second) = (rig.post(4096), rig.post(4096));
    let ring = rig.user.ring().clone();
    for (position, entry) in [first.rqe(), ZcrxRqe { pad: 1, ..Default::default() }, second.rqe()].iter().enumerate() {
        ring.store(position as u32, *entry);
    }
    ring.store_tail(3);
    rig.zcrx.flush();
    assert_eq!((rig.zcrx.provider().with_user(), ring.head()), (1, 2));
    rig.zcrx.flush();
    assert_eq!((rig.zcrx.provider().with_user(), ring.head()), (0, 3));
}

#[test]
fn a_program_that_behaves_is_told_when_the_ring_is_full() {
    let mut rig = rig();
    let piece = rig.post(4096);
    for _ in 0..ENTRIES {
        rig.user.give_back(piece).unwrap();
    }
    assert_eq!(rig.user.give_back(piece), Err(piece));
    rig.zcrx.flush();
    assert_eq!((rig.zcrx.stats().returned, rig.zcrx.stats().not_held), (1, u64::from(ENTRIES) - 1));
    assert_eq!(rig.user.give_back(piece), Ok(()));
}

#[test]
fn the_program_is_told_once_until_it_asks_again() {
    let mut rig = rig();
    assert_eq!(rig.zcrx.arm(ZcrxEvent::AllocFail).unwrap_err().event, ZcrxEvent::AllocFail, "it is armed");
    let all = rig.drain();
    assert!(rig.pool.alloc().is_none() && rig.pool.alloc().is_none());
    assert_eq!((rig.zcrx.take_event(), rig.zcrx.take_event()), (Some(ZcrxEvent::AllocFail), None));
    assert!(rig.pool.alloc().is_none());
    assert_eq!(rig.zcrx.take_event(), None, "not twice");
    rig.zcrx.arm(ZcrxEvent::AllocFail).unwrap();
    assert!(rig.pool.alloc().is_none());
    assert_eq!(rig.zcrx.take_event(), Some(ZcrxEvent::AllocFail));
    drop(all);

    // Who did not ask is not told.
    let device = rig.bus.clone().driver_side();
    let params = ZcrxParams { events: ZcrxEvents::COPY, ..ZcrxParams::new(device.clone(), 8) };
    let (zcrx, _user) = Zcrx::register(params, UserArea::whole(Memfd::new("other", 4096).unwrap())).unwrap();
    let mut pool = PagePool::<NetIov>::new(PagePoolParams::for_device(device, 4096), zcrx.provider().clone()).unwrap();
    let _one = pool.alloc().unwrap();
    assert!(pool.alloc().is_none());
    assert_eq!(zcrx.take_event(), None);
    assert!(zcrx.arm(ZcrxEvent::AllocFail).is_err());
}

#[test]
fn what_is_not_in_the_programs_memory_is_copied_there() {
    let mut rig = rig();
    let zone = Zone::new(64).unwrap();
    let mut host = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(zone.clone())).unwrap();
    let mut head = host.alloc_frag(100).unwrap();
    head.bytes_mut().fill(1);
    let mut payload = host.alloc_frag(3000).unwrap();
    payload.bytes_mut().fill(2);
    let mut skb = Skb::build(head);
    skb.add_rx_frag(payload).unwrap();
    skb.add_rx_frag(rig.pool.alloc_frag(2000).unwrap()).unwrap();

    let mut receive = ZcrxReceive::new(skb);
    let mut queue = Vec::with_capacity(2);
    assert_eq!(receive.run(&rig.zcrx, &mut queue).unwrap(), 3100);
    assert_eq!(receive.left(), 2000);
    let error = receive.run(&rig.zcrx, &mut queue).unwrap_err();
    assert!(matches!(error, ZcrxError::Copy(CopyError::QueueFull)), "{error}");
    assert_eq!(receive.left(), 2000, "the packet is still there");
    let copies = std::mem::replace(&mut queue, Vec::with_capacity(1));
    assert_eq!((receive.run(&rig.zcrx, &mut queue).unwrap(), receive.left()), (2000, 0));
    assert_eq!(receive.run(&rig.zcrx, &mut queue).unwrap(), 0);
    assert_eq!(read(&rig.memory, copies[0]), [1; 100]);
    assert_eq!(read(&rig.memory, copies[1]), [2; 3000]);

    // The linear part is copied in any case; only the frag counts.
    let stats = rig.zcrx.stats();
    assert_eq!((stats.copy_count, stats.copy_bytes), (1, 3000));
    assert_eq!((rig.zcrx.take_event(), rig.zcrx.take_event()), (Some(ZcrxEvent::Copy), None));
    assert_eq!(rig.zcrx.provider().with_user(), 3);
    drop((receive, host));
    assert_eq!(zone.free_frames(), 64, "nothing of the packet is left");

    // A copy was nobody's, and is free again when it comes back.
    let available = rig.zcrx.provider().available();
    for piece in copies {
        rig.user.give_back(piece).unwrap();
    }
    rig.zcrx.flush();
    assert_eq!((rig.zcrx.provider().with_user(), rig.zcrx.provider().available()), (1, available + 2));
}

#[test]
fn a_copy_that_finds_no_room_takes_what_there_is() {
    let mut rig = rig();
    let mut all = rig.drain();
    let mut queue = Vec::with_capacity(100);
    assert_eq!(rig.zcrx.copy(&[0; 10], &mut queue), Err(CopyError::NoBuffer));
    drop(all.drain(..3));
    // Those went into the pool's ring, and come out of the pool when it goes.
    let Rig { zcrx, pool, bus, .. } = rig;
    drop(pool);
    assert_eq!(zcrx.copy(&[7; 20000], &mut queue), Ok(3 * 4096));
    assert_eq!(queue.iter().map(|piece| piece.len).collect::<Vec<_>>(), [4096; 3]);
    assert_eq!(zcrx.copy(&[], &mut queue), Ok(0));
    drop((all, zcrx));
    assert_eq!(bus.stats().mapped(), 0);
}

/// A program whose memory is gone when it is needed.
struct Gone;
impl PeerMemory for Gone {
    fn len(&self) -> usize {
        4096
    }
    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), PeerError> {
        Err(PeerError { offset, len: bytes.len() })
    }
}

#[test]
fn a_copy_that_fails_gives_its_buffer_back() {
    let device = Arc::new(Coherent::new()).driver_side();
    let area = UserArea { dmabuf: true, ..UserArea::whole(Arc::new(Gone)) };
    let (zcrx, _user) = Zcrx::register(ZcrxParams::new(device.clone(), 8), area).unwrap();
    let mut queue = Vec::with_capacity(8);
    assert_eq!(zcrx.copy(&[1], &mut queue), Err(CopyError::Unreadable));
    let (zcrx, _user) = Zcrx::register(ZcrxParams::new(device, 8), UserArea::whole(Arc::new(Gone))).unwrap();
    assert!(matches!(zcrx.copy_frag(&[1], &mut queue), Err(CopyError::Memory(_))));
    assert_eq!((zcrx.provider().available(), zcrx.stats().copy_count, queue.len()), (1, 0, 0));
}

#[test]
fn memory_of_somebody_else_comes_back() {
    let mut rig = rig();
    let device = rig.bus.clone().driver_side();
    let gpu = Memfd::new("gpu", 4096).unwrap();
    let dmabuf = DmabufProvider::bind(device.clone(), gpu, &[Chunk { offset: 0, len: 4096 }], 4096).unwrap();
    let mut other = PagePool::<NetIov>::new(PagePoolParams::for_device(device, 4096), dmabuf).unwrap();
    let refused = rig.zcrx.post(other.alloc_frag(64).unwrap()).unwrap_err();
    assert!(matches!(refused, PostError::NotOurs(_)), "{refused}");
    let mut skb = Skb::new();
    skb.add_rx_frag(rig.pool.alloc_frag(10).unwrap()).unwrap();
    skb.add_rx_frag(refused.into_frag()).unwrap();
    let mut receive = ZcrxReceive::new(skb);
    let mut queue = Vec::with_capacity(8);
    assert_eq!(receive.run(&rig.zcrx, &mut queue).unwrap(), 10);
    let error = receive.run(&rig.zcrx, &mut queue).unwrap_err();
    assert!(matches!(error, ZcrxError::NotOurs { frag: 1 }), "{error}");
    assert_eq!((receive.left(), other.outstanding()), (64, 1));
}

#[test]
fn memory_that_was_bound_for_transmit_is_not_lost_on_the_way() {
    let rig = rig();
    let device = rig.bus.clone().driver_side();
    let gpu = Memfd::new("gpu", 4096).unwrap();
    let binding = DmabufTxBinding::bind(device, gpu, &[Chunk { offset: 0, len: 4096 }], 4096).unwrap();
    let mut skb = Skb::new();
    skb.add_bound_frag(binding.frags(0, 100).unwrap().next().unwrap()).unwrap();
    let mut receive = ZcrxReceive::new(skb);
    let error = receive.run(&rig.zcrx, &mut Vec::with_capacity(8)).unwrap_err();
    assert!(matches!(error, ZcrxError::NotOurs { frag: 0 }), "{error}");
    assert_eq!(receive.left(), 100);
}

#[test]
fn closing_takes_everything_back() {
    let mut rig = rig();
    let pieces = [rig.post(4096), rig.post(1000), rig.post(1000)];
    let mut queue = Vec::with_capacity(8);
    rig.zcrx.copy(&[9; 5000], &mut queue).unwrap();
    let out = rig.pool.alloc().unwrap();
    let Rig { bus, zcrx, mut user, pool, memory } = rig;
    let provider = zcrx.provider().clone();
    assert_eq!(provider.with_user(), 4);
    drop(zcrx);
    assert_eq!((provider.with_user(), pool.outstanding()), (0, 1), "one is out");
    // The program may go on writing; nobody looks.
    user.give_back(pieces[0]).unwrap();
    drop(pool);
    drop(out);
    assert_eq!(provider.available(), NIOVS);
    let params = PagePoolParams::for_device(bus.clone().driver_side(), 4096);
    let refused = PagePool::<NetIov>::new(params, provider.clone()).map(drop).unwrap_err();
    assert_eq!(refused, PoolError::Provider(Refused::Closed));
    drop(provider);
    assert_eq!((bus.stats().mapped(), memory.len()), (0, NIOVS << 12));
}

/// Pool, provider and the program's references keep each other; closing is what ends that, in any order.
#[test]
fn nothing_is_left_whoever_goes_first() {
    for order in 0..6 {
        let bus = Arc::new(Iommu::new());
        let device = bus.clone().driver_side();
        let memory = Memfd::new("program", 8 << 12).unwrap();
        let (zcrx, user) = Zcrx::register(ZcrxParams::new(device.clone(), 8), UserArea::whole(memory)).unwrap();
        let weak = Arc::downgrade(zcrx.provider());
        let mut pool =
            PagePool::<NetIov>::new(PagePoolParams::for_device(device, 4096), zcrx.provider().clone()).unwrap();
        zcrx.post(pool.alloc_frag(100).unwrap()).unwrap();
        let kept = pool.alloc().unwrap();
        let mut ends: Vec<Box<dyn std::any::Any>> = vec![Box::new(zcrx), Box::new(pool), Box::new(kept)];
        ends.swap(0, order / 2);
        ends.swap(1, 1 + order % 2);
        ends.into_iter().for_each(drop);
        assert_eq!((weak.strong_count(), bus.stats().mapped()), (0, 0), "order {order}");
        drop(user);
    }
}

#[test]
fn a_provider_off_its_queue_gives_no_pool_anything() {
    let mut rig = rig();
    let piece = rig.post(4096);
    rig.pool.provider().uninstall();
    let in_cache = rig.drain();
    assert_eq!(in_cache.len(), 63, "what the pool had");
    rig.user.give_back(piece).unwrap();
    assert!(rig.pool.alloc().is_none());
    assert_eq!(rig.zcrx.provider().with_user(), 1, "still the program's");
    let area = UserArea::whole(Memfd::new("more", 4096).unwrap());
    assert_eq!(rig.zcrx.add_area(area), Err(RegisterError::Closed));
    rig.zcrx.flush();
    assert_eq!(rig.zcrx.provider().with_user(), 0);
}

#[test]
fn several_areas_have_numbers() {
    let mut rig = rig();
    assert_eq!(rig.zcrx.add_area(UserArea::whole(Memfd::new("more", 4 << 12).unwrap())), Ok(1));
    assert_eq!((rig.zcrx.provider().total(), rig.zcrx.provider().available()), (NIOVS + 4, NIOVS + 4));
    let pieces: Vec<_> = rig.drain().into_iter().map(|frag| rig.zcrx.post(frag).unwrap()).collect();
    let of = |area| pieces.iter().filter(|piece| piece.area() == area).count();
    assert_eq!((pieces.len(), of(0), of(1)), (NIOVS + 4, NIOVS, 4));
    for piece in &pieces {
        rig.user.give_back(*piece).unwrap();
    }
    rig.zcrx.flush();
    assert_eq!((rig.zcrx.provider().with_user(), rig.zcrx.stats().skipped()), (0, 0));
    // The pool's ring took 64 of them.
    let text = AnyProvider::from(rig.zcrx.provider().clone()).to_string();
    assert_eq!(text, "io_uring areas, 20 of 84 net_iovs of 4096 bytes free, 0 with the program");
}

#[test]
fn what_cannot_be_registered_is_refused_with_a_reason() {
    let bus = Arc::new(Coherent::new());
    let device = bus.clone().driver_side();
    let base = ZcrxParams::new(device, 8);
    let memory: Arc<dyn PeerMemory> = Memfd::new("program", 64 << 12).unwrap();
    let area = |offset, len| UserArea { offset, len, ..UserArea::whole(memory.clone()) };
    let refused = |params: ZcrxParams, area| Zcrx::register(params, area).map(drop).unwrap_err();
    let all = || area(0, 64 << 12);
    assert_eq!(refused(ZcrxParams { rq_entries: 0, ..base.clone() }, all()), RegisterError::Entries { entries: 0 });
    let entries = 32769;
    assert_eq!(refused(ZcrxParams { rq_entries: entries, ..base.clone() }, all()), RegisterError::Entries { entries });
    for len in [1, 2048, 12288] {
        assert_eq!(refused(ZcrxParams { rx_buf_len: len, ..base.clone() }, all()), RegisterError::BufLen { len });
    }
    let events = ZcrxEvents::from_bits_retain(0x84);
    assert_eq!(refused(ZcrxParams { events, ..base.clone() }, all()), RegisterError::UnknownEvents { bits: 0x84 });
    assert_eq!(refused(base.clone(), area(1, 4096)), RegisterError::NotPages { offset: 1, len: 4096 });
    assert!(matches!(refused(base.clone(), area(0, 1 << 48)), RegisterError::TooLarge { .. }));
    assert!(matches!(refused(base.clone(), area(0, 0)), RegisterError::Map(_)));
    assert!(matches!(refused(base.clone(), area(0, 65 << 12)), RegisterError::Map(_)));
    let params = ZcrxParams { rx_buf_len: 16384, ..base.clone() };
    assert!(matches!(refused(params, area(0, 6 << 12)), RegisterError::Area(_)));
    assert_eq!(bus.stats().mapped(), 0);

    let (zcrx, user) = Zcrx::register(ZcrxParams { rq_entries: 9, ..base }, area(0, 8 << 12)).unwrap();
    assert_eq!(user.ring().len(), 16, "made into a power of two");
    let overlap = RegisterError::Overlap { offset: 7 << 12, len: 4096, area: 0 };
    assert_eq!(zcrx.add_area(area(7 << 12, 4096)), Err(overlap));
    assert_eq!(zcrx.add_area(UserArea { dmabuf: true, ..area(8 << 12, 4096) }), Err(RegisterError::Mixed));
    assert_eq!((zcrx.add_area(area(8 << 12, 4096)), bus.stats().mapped()), (Ok(1), 2));
}

#[test]
fn a_pool_that_does_not_fit_is_refused() {
    let rig = rig();
    let base = PagePoolParams::for_device(rig.bus.clone().driver_side(), 4096);
    let refused = |params| match PagePool::<NetIov>::new(params, rig.zcrx.provider().clone()).map(drop) {
        Err(PoolError::Provider(refused)) => refused,
        other => panic!("{other:?}"),
    };
    let direction = DmaDirection::Bidirectional;
    assert_eq!(refused(PagePoolParams { direction, ..base.clone() }), Refused::Direction { direction });
    assert_eq!(refused(PagePoolParams { order: 1, ..base.clone() }), Refused::BufferSize { asked: 8192, has: 4096 });
    let params = PagePoolParams { rx_page_size: 16384, ..base.clone() };
    assert_eq!(refused(params), Refused::BufferSize { asked: 16384, has: 4096 });
    let other: Arc<dyn DmaDevice> = Arc::new(Coherent::new());
    assert_eq!(refused(PagePoolParams { device: Some(other), ..base }), Refused::OtherDevice);
    assert!(rig.zcrx.provider().wants_sync());
}

/// Two threads give back and take at the same time: nothing is lost, and nothing is handed out that the program has.
#[test]
fn pools_and_program_run_at_the_same_time() {
    let bus = Arc::new(Coherent::new());
    let device = bus.clone().driver_side();
    let area = UserArea::whole(Memfd::new("program", 64 << 12).unwrap());
    let (zcrx, mut user) = Zcrx::register(ZcrxParams::new(device.clone(), 64), area).unwrap();
    let mut pool = PagePool::<NetIov>::new(PagePoolParams::for_device(device, 4096), zcrx.provider().clone()).unwrap();
    let (tell, hear) = std::sync::mpsc::channel::<ZcrxCqe>();
    let with_program: Arc<Vec<_>> = Arc::new((0..64).map(|_| std::sync::atomic::AtomicBool::new(false)).collect());
    let marks = with_program.clone();
    let program = std::thread::spawn(move || {
        let mut count = 0;
        for piece in hear {
            let mark = &marks[piece.offset() as usize >> 12];
            mark.store(false, std::sync::atomic::Ordering::SeqCst);
            let mut back = user.give_back(piece);
            while let Err(piece) = back {
                std::thread::yield_now();
                back = user.give_back(piece);
            }
            count += 1;
        }
        count
    });
    let mut posted = 0;
    while posted < 50_000 {
        let Some(memory) = pool.alloc() else {
            std::thread::yield_now();
            continue;
        };
        let frag = memory.into_frag().expect("nobody else has it");
        let mark = &with_program[frag.netmem().net_iov().index()];
        assert!(!mark.swap(true, std::sync::atomic::Ordering::SeqCst), "the program has it still");
        tell.send(zcrx.post(frag).unwrap()).unwrap();
        posted += 1;
    }
    drop(tell);
    assert_eq!(program.join().unwrap(), 50_000);
    zcrx.flush();
    let stats = zcrx.stats();
    assert_eq!((stats.skipped(), stats.returned, zcrx.provider().with_user()), (0, 50_000, 0));
    drop((pool, zcrx));
    assert_eq!(bus.stats().mapped(), 0);
}

/// The whole way: the device writes the program's memory, the program reads it there.
#[test]
fn a_frame_reaches_the_program_without_a_copy() {
    let size = PayloadSize::Fixed(700);
    let traffic = Generator::new(GeneratorParams { seed: 1, packets: 40, size, ports: vec![5001] }, 1514).unwrap();
    let bus = Arc::new(Iommu::new());
    let device = bus.clone().driver_side();
    let mut nic = Nic::start(NicParams::default(), bus.clone(), Box::new(traffic)).unwrap();
    let memory = Memfd::new("program", 8 << 12).unwrap();
    let (zcrx, mut user) = Zcrx::register(ZcrxParams::new(device.clone(), 8), UserArea::whole(memory.clone())).unwrap();
    let params = PagePoolParams { pool_size: 8, ..PagePoolParams::for_device(device, 4096) };
    let mut pool = PagePool::<NetIov>::new(params, zcrx.provider().clone()).unwrap();
    let mut ring: RxRing<_, NetIov> = RxRing::new(nic.rx_queue(0).unwrap()).unwrap();
    // Forty frames through eight buffers: they come round only through the refill ring.
    for number in 0..40_u32 {
        ring.post(pool.alloc().expect("the program gives back").into_frag().unwrap(), None).unwrap();
        ring.kick();
        let completed = loop {
            match ring.complete() {
                Some(completed) => break completed.unwrap(),
                None => nic.wait(Duration::from_millis(10)),
            }
        };
        let piece = zcrx.post(pool.sync_for_cpu(completed.payload).unwrap()).unwrap();
        let seen = read(&memory, piece);
        assert_eq!((seen.len(), &seen[12..14]), (742, &[8, 0][..]), "frame {number} is IPv4");
        user.give_back(piece).unwrap();
    }
    assert_eq!((zcrx.stats().returned + zcrx.provider().with_user() as u64, zcrx.stats().skipped()), (40, 0));
    assert_eq!((zcrx.stats().copy_count, bus.stats().faults), (0, 0));
}
