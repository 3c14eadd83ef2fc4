//! zcrx: what a program gets, what it gives back and what happens when it lies, leaves or is slow. Rules C4, O3, O5 and S4
//! where they are checked at run time.

use netmem::dma::{DmaDevice, DmaDirection, PeerError, PeerMemory};
use netmem::mm::Zone;
use netmem::netdev::{Hardware, RxRing};
use netmem::page_pool::{AnyProvider, Chunk, DmabufTxBinding, PagePoolParams, PoolError, ProviderError};
use netmem::provider::{DmabufProvider, PageProvider};
use netmem::skb::Skb;
use netmem::{Frag, MemoryProvider, NetIov, Page, PagePool};
use netmem_consumers::PieceError;
use netmem_consumers::zcrx::{
    CopyError, HandOutError, RegisterError, UserArea, Zcrx, ZcrxCqe, ZcrxError, ZcrxEvent, ZcrxEvents, ZcrxParams,
    ZcrxPiece, ZcrxReceive, ZcrxRqe, ZcrxUser,
};
use netmem_sim::Memfd;
use netmem_sim::dma::{Bounce, Coherent, DmaBus, Iommu};
use netmem_sim::nic::traffic::{Generator, GeneratorParams, PayloadSize};
use netmem_sim::nic::{Nic, NicParams};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// More than a pool takes at once, so that some are free to copy to.
const NIOVS: usize = 80;
const ENTRIES: u32 = 128;
/// Twice as many, if nothing else is said.
const CQ_ENTRIES: u32 = 256;

struct Rig {
    bus: Arc<Bounce>,
    memory: Arc<Memfd>,
    zcrx: Zcrx,
    user: ZcrxUser,
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
    /// A piece, of which the program keeps the number.
    fn post_number(&mut self, size: u32) -> ZcrxCqe {
        let frag = self.pool.alloc_frag(size).expect("some are free");
        self.zcrx.post(frag).unwrap()
    }

    /// A piece, as the program has it.
    fn post(&mut self, size: u32) -> ZcrxPiece {
        let told = self.post_number(size);
        let piece = self.receive();
        assert_eq!(piece.cqe(), told);
        piece
    }

    fn receive(&mut self) -> ZcrxPiece {
        self.user.receive().unwrap().expect("one was told")
    }

    /// Everything that was told: at most as much as there are entries.
    fn received(&mut self) -> Vec<ZcrxPiece> {
        let pieces: Vec<_> =
            std::iter::from_fn(|| self.user.receive().unwrap()).take(CQ_ENTRIES as usize + 1).collect();
        assert!(pieces.len() <= CQ_ENTRIES as usize, "no completion is taken twice");
        pieces
    }

    /// Everything that the pool can get, handed to the program.
    fn post_all(&mut self) -> Vec<ZcrxPiece> {
        for frag in self.drain() {
            self.zcrx.post(frag).unwrap();
        }
        self.received()
    }

    /// Everything that the pool can get.
    fn drain(&mut self) -> Vec<Frag<NetIov>> {
        std::iter::from_fn(|| self.pool.alloc()).map(|memory| memory.into_frag().unwrap()).collect()
    }
}

/// The bytes of a piece, which are those at its offset in the program's memory.
fn read(memory: &Memfd, piece: &ZcrxPiece) -> Vec<u8> {
    let (mut bytes, mut there) = (vec![0; piece.len() as usize], vec![0; piece.len() as usize]);
    piece.read(0, &mut bytes).unwrap();
    memory.map().unwrap().read(piece.offset() as usize, &mut there).unwrap();
    assert_eq!(bytes, there);
    bytes
}

#[test]
fn what_the_program_has_the_pool_does_not_reuse() {
    let mut rig = rig();
    let mut pieces = rig.post_all();
    let mut offsets: Vec<_> = pieces.iter().map(|piece| (piece.area(), piece.offset(), piece.len())).collect();
    offsets.sort();
    assert_eq!(offsets, (0..NIOVS as u64).map(|i| (0, i << 12, 4096)).collect::<Vec<_>>());
    assert!(rig.pool.alloc().is_none());
    assert_eq!((rig.zcrx.provider().with_user(), rig.zcrx.provider().available()), (NIOVS, 0));
    let piece = pieces.swap_remove(5);
    let told = piece.cqe();
    piece.give_back();
    let again = rig.pool.alloc().expect("one came back").into_frag().unwrap();
    assert_eq!(rig.zcrx.post(again).unwrap(), told, "that one");
    assert!(rig.pool.alloc().is_none());
}

#[test]
fn pieces_of_one_net_iov_come_back_one_by_one() {
    let mut rig = rig();
    let (first, second, third) = (rig.post(1500), rig.post(1500), rig.post(2048));
    assert_eq!((second.offset() - first.offset(), third.offset() & 4095), (1536, 0));
    assert_eq!(rig.zcrx.provider().with_user(), 2);
    for (piece, with_user) in [(second, 2), (first, 1), (third, 0)] {
        drop(piece);
        rig.zcrx.flush();
        assert_eq!(rig.zcrx.provider().with_user(), with_user);
    }
    assert_eq!((rig.zcrx.stats().returned, rig.zcrx.stats().skipped()), (3, 0));
}

#[test]
fn a_refill_counts_nothing_twice_and_is_synced() {
    let mut rig = rig();
    drop(rig.post_all());
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
    let pieces: Vec<_> = (0..4).map(|_| rig.post_number(4096)).collect();
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
    let piece = rig.post_number(4096);
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
    let (first, second) = (rig.post_number(4096), rig.post_number(4096));
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

/// Dropping a piece cannot fail: what has no room in the refill ring waits, and is written later.
#[test]
fn pieces_wait_while_the_refill_ring_is_full() {
    let mut rig = rig();
    // Of 64 bytes, so that there are more pieces than entries.
    let pieces: Vec<_> = (0..ENTRIES + 10).map(|_| rig.post(64)).collect();
    assert_eq!(rig.user.pieces(), 138);
    let mut pieces = pieces.into_iter();
    pieces.by_ref().take(128).for_each(ZcrxPiece::give_back);
    assert_eq!((rig.user.pieces(), rig.user.settle()), (10, 0));
    drop(pieces);
    assert_eq!((rig.user.pieces(), rig.user.settle()), (0, 10), "the ring has 128 entries");
    rig.zcrx.flush();
    assert_eq!(rig.zcrx.stats().returned, 128);
    // The program looks whether something arrived, and that is enough.
    assert!(rig.user.receive().unwrap().is_none());
    rig.zcrx.flush();
    assert_eq!(rig.user.settle(), 0);
    let stats = rig.zcrx.stats();
    assert_eq!((stats.returned, stats.skipped(), rig.zcrx.provider().with_user()), (138, 0, 0));
}

/// Pieces that are never dropped. They stay reachable, so that a leak checker reports what leaks beside them.
static KEPT: Mutex<Vec<ZcrxPiece>> = Mutex::new(Vec::new());

#[test]
fn s4_a_completion_is_one_piece_and_a_piece_comes_back_once() {
    let mut rig = rig();
    let told: Vec<_> = (0..3).map(|_| rig.post_number(100)).collect();
    let pieces = rig.received();
    assert_eq!(pieces.iter().map(ZcrxPiece::cqe).collect::<Vec<_>>(), told);
    assert!(rig.user.receive().unwrap().is_none(), "each was taken out once");
    // Given back by name, dropped, and dropped on another thread.
    let [first, second, third] = <[_; 3]>::try_from(pieces).unwrap();
    first.give_back();
    drop(second);
    std::thread::spawn(move || drop(third)).join().unwrap();
    rig.zcrx.flush();
    let stats = rig.zcrx.stats();
    assert_eq!((stats.entries, stats.returned, stats.skipped()), (3, 3, 0));
    assert_eq!((rig.user.pieces(), rig.zcrx.provider().with_user()), (0, 0));
    // One that is forgotten is the program's until the instance is closed.
    KEPT.lock().unwrap().push(rig.post(100)); // which is what `forget` does
    assert_eq!((rig.user.pieces(), rig.zcrx.provider().with_user()), (1, 1));
    let provider = rig.zcrx.provider().clone();
    drop(rig.zcrx);
    assert_eq!(provider.with_user(), 0);
}

/// Two pieces of one net_iov. A value comes back once, so the other one is safe. A program that writes the number itself
/// gives the other one back: the kernel has a count for the net_iov, as Linux has, and does not know pieces apart. What is
/// lost is the program's own, and what comes back too often is counted.
#[test]
fn s4_a_piece_by_value_and_a_piece_by_number() {
    for lies in [false, true] {
        let mut rig = rig();
        let (first, second) = (rig.post(2048), rig.post(2048));
        assert_eq!(first.offset() >> 12, second.offset() >> 12, "both are in one net_iov");
        let _others = (rig.pool.alloc_frag(4096).unwrap(), rig.drain());
        let entry = first.cqe().rqe();
        first.give_back();
        if lies {
            let ring = rig.user.ring();
            ring.store(1, entry);
            ring.store_tail(2);
        }
        rig.zcrx.flush();
        assert_eq!(rig.zcrx.provider().with_user(), usize::from(!lies));
        // The pool does not hand the net_iov out again while the program has a piece of it.
        assert_eq!(rig.pool.alloc().is_some(), lies);
        assert_eq!(rig.zcrx.stats().not_held, 0, "two pieces, two entries: a count says no more");
        if lies {
            // The third entry for two pieces: now it shows.
            let ring = rig.user.ring();
            ring.store(2, second.cqe().rqe());
            ring.store_tail(3);
            rig.zcrx.flush();
            assert_eq!(rig.zcrx.stats().not_held, 1);
        }
    }
}

/// A piece of the program's memory is not a piece of another instance's.
#[test]
fn s4_a_piece_goes_back_to_its_own_instance() {
    let (mut one, mut two) = (rig(), rig());
    let piece = one.post(100);
    let other = two.post(100);
    std::mem::swap(&mut one.user, &mut two.user);
    drop(piece);
    drop(other);
    one.zcrx.flush();
    two.zcrx.flush();
    for rig in [one, two] {
        assert_eq!((rig.zcrx.stats().returned, rig.zcrx.stats().skipped()), (1, 0));
    }
}

#[test]
fn a_piece_is_read_within_its_bounds_and_until_the_instance_is_closed() {
    let mut rig = rig();
    assert_eq!(rig.zcrx.copy(b"0123456789"), Ok(10));
    let piece = rig.receive();
    let mut bytes = [0; 4];
    assert_eq!((piece.read(6, &mut bytes), bytes), (Ok(()), *b"6789"));
    assert_eq!(piece.read(10, &mut []), Ok(()));
    for (at, len) in [(7, 4), (10, 1), (11, 0), (u32::MAX, 1), (0, 11), (u32::MAX, 0)] {
        assert_eq!(piece.read(at, &mut vec![0; len]), Err(PieceError::Range { at, len, has: 10 }));
    }
    // An area that does not begin where its memory does.
    let memory = Memfd::new("more", 3 << 12).unwrap();
    memory.write((1 << 12) + 5, b"here").unwrap();
    let area = UserArea { offset: 1 << 12, len: 2 << 12, ..UserArea::whole(memory) };
    assert_eq!(rig.zcrx.add_area(area), Ok(1));
    let pieces = rig.post_all();
    let first = pieces.iter().find(|piece| (piece.area(), piece.offset()) == (1, 0)).expect("all are out");
    assert_eq!((first.read(5, &mut bytes), bytes), (Ok(()), *b"here"));

    let Rig { zcrx, .. } = rig;
    drop(zcrx);
    assert_eq!(piece.read(0, &mut bytes), Err(PieceError::Closed));
}

/// The completion ring holds back what the program does not take out, and nothing is lost.
#[test]
fn a_full_completion_ring_hands_pieces_back() {
    let bus = Arc::new(Coherent::new());
    let device = bus.clone().driver_side();
    let params = ZcrxParams { cq_entries: 2, ..ZcrxParams::new(device.clone(), 8) };
    let area = UserArea::whole(Memfd::new("program", 8 << 12).unwrap());
    let (zcrx, mut user) = Zcrx::register(params, area).unwrap();
    let mut pool = PagePool::<NetIov>::new(PagePoolParams::for_device(device, 4096), zcrx.provider().clone()).unwrap();
    let mut frags: Vec<_> = (0..4).map(|_| pool.alloc_frag(64).unwrap()).collect();
    zcrx.post(frags.pop().unwrap()).unwrap();
    zcrx.post(frags.pop().unwrap()).unwrap();
    let refused = zcrx.post(frags.pop().unwrap()).unwrap_err();
    assert!(refused.reason == HandOutError::QueueFull, "{refused}");
    let first = user.receive().unwrap().unwrap();
    zcrx.post(refused.back).unwrap();
    let ring = user.completions().clone();
    // A head that is not inside the ring is not believed: the ring counts as full, and the lie is counted.
    let head = ring.head();
    for lie in [head.wrapping_sub(1), ring.tail().wrapping_add(1), head ^ 1 << 31, u32::MAX] {
        ring.store_head(lie);
        let refused = zcrx.post(frags.pop().unwrap()).unwrap_err();
        assert!(refused.reason == HandOutError::QueueFull, "{refused}");
        frags.push(refused.back);
        assert!(matches!(zcrx.copy(b"x"), Err(CopyError::QueueFull | CopyError::NoBuffer)));
    }
    assert!(zcrx.stats().bad_cq_head >= 4, "{:?}", zcrx.stats());
    ring.store_head(head);
    let rest: Vec<_> = std::iter::from_fn(|| user.receive().unwrap()).collect();
    assert_eq!((rest.len(), zcrx.provider().with_user()), (2, 1));
    zcrx.post(frags.pop().unwrap()).unwrap();
    drop((first, rest, user.receive().unwrap(), frags));
    zcrx.flush();
    assert_eq!((zcrx.stats().returned, zcrx.stats().skipped(), zcrx.provider().with_user()), (4, 0, 0));
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
    skb.add_rx_frag(payload, 2048).unwrap();
    skb.add_rx_frag(rig.pool.alloc_frag(2000).unwrap(), 2000).unwrap();

    let mut receive = ZcrxReceive::new(skb);
    // Two entries are free.
    let before: Vec<_> = (0..CQ_ENTRIES - 2).map(|_| rig.post_number(8)).collect();
    assert_eq!(receive.run(&rig.zcrx).unwrap(), 3100);
    assert_eq!(receive.left(), 2000);
    let error = receive.run(&rig.zcrx).unwrap_err();
    assert!(matches!(error, ZcrxError::Copy(CopyError::QueueFull)), "{error}");
    assert_eq!(receive.left(), 2000, "the packet is still there");
    let mut copies = rig.received();
    assert_eq!((receive.run(&rig.zcrx).unwrap(), receive.left()), (2000, 0));
    assert_eq!(receive.run(&rig.zcrx).unwrap(), 0);
    copies.drain(..before.len()).for_each(ZcrxPiece::give_back);
    let passed = rig.receive();
    assert_eq!(read(&rig.memory, &copies[0]), [1; 100]);
    assert_eq!(read(&rig.memory, &copies[1]), [2; 3000]);
    // More came back than the refill ring has entries.
    assert_eq!(rig.user.settle(), before.len() - ENTRIES as usize);
    rig.zcrx.flush();
    assert_eq!(rig.user.settle(), 0);
    rig.zcrx.flush();

    // The linear part is copied in any case; only the frag counts.
    let stats = rig.zcrx.stats();
    assert_eq!((stats.copy_count, stats.copy_bytes), (1, 3000));
    assert_eq!((rig.zcrx.take_event(), rig.zcrx.take_event()), (Some(ZcrxEvent::Copy), None));
    assert_eq!(rig.zcrx.provider().with_user(), 3);
    drop((receive, host));
    assert_eq!(zone.free_frames(), 64, "nothing of the packet is left");

    // A copy was nobody's, and is free again when it comes back.
    let available = rig.zcrx.provider().available();
    drop(copies);
    rig.zcrx.flush();
    assert_eq!((rig.zcrx.provider().with_user(), rig.zcrx.provider().available()), (1, available + 2));
    drop(passed);
}

#[test]
fn a_copy_that_finds_no_room_takes_what_there_is() {
    let mut rig = rig();
    let mut all = rig.drain();
    assert_eq!(rig.zcrx.copy(&[0; 10]), Err(CopyError::NoBuffer));
    drop(all.drain(..3));
    // Those went into the pool's ring, and come out of the pool when it goes.
    let Rig { zcrx, pool, bus, mut user, .. } = rig;
    drop(pool);
    assert_eq!(zcrx.copy(&[7; 20000]), Ok(3 * 4096));
    let copies: Vec<_> = std::iter::from_fn(|| user.receive().unwrap()).collect();
    assert_eq!(copies.iter().map(ZcrxPiece::len).collect::<Vec<_>>(), [4096; 3]);
    assert_eq!(zcrx.copy(&[]), Ok(0));
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
    assert_eq!(zcrx.copy(&[1]), Err(CopyError::Unreadable));
    let (zcrx, mut user) = Zcrx::register(ZcrxParams::new(device, 8), UserArea::whole(Arc::new(Gone))).unwrap();
    assert!(matches!(zcrx.copy_frag(&[1]), Err(CopyError::Memory(_))));
    assert!(user.receive().unwrap().is_none());
    assert_eq!((zcrx.provider().available(), zcrx.stats().copy_count), (1, 0));
}

#[test]
fn memory_of_somebody_else_comes_back() {
    let mut rig = rig();
    let device = rig.bus.clone().driver_side();
    let gpu = Memfd::new("gpu", 4096).unwrap();
    let dmabuf = DmabufProvider::bind(device.clone(), gpu, &[Chunk { offset: 0, len: 4096 }], 4096).unwrap();
    let mut other = PagePool::<NetIov>::new(PagePoolParams::for_device(device, 4096), dmabuf).unwrap();
    let refused = rig.zcrx.post(other.alloc_frag(64).unwrap()).unwrap_err();
    assert!(refused.reason == HandOutError::NotOurs, "{refused}");
    let mut skb = Skb::new();
    skb.add_rx_frag(rig.pool.alloc_frag(10).unwrap(), 10).unwrap();
    skb.add_rx_frag(refused.back, 2048).unwrap();
    let mut receive = ZcrxReceive::new(skb);
    assert_eq!(receive.run(&rig.zcrx).unwrap(), 10);
    let error = receive.run(&rig.zcrx).unwrap_err();
    assert!(matches!(error, ZcrxError::NotOurs { frag: 1 }), "{error}");
    assert_eq!((receive.left(), other.in_use()), (64, 1));
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
    let error = receive.run(&rig.zcrx).unwrap_err();
    assert!(matches!(error, ZcrxError::NotOurs { frag: 0 }), "{error}");
    assert_eq!(receive.left(), 100);
}

#[test]
fn closing_takes_everything_back() {
    let mut rig = rig();
    let pieces = [rig.post(4096), rig.post(1000), rig.post(1000)];
    rig.zcrx.copy(&[9; 5000]).unwrap();
    let out = rig.pool.alloc().unwrap();
    let Rig { bus, zcrx, user, pool, memory } = rig;
    let provider = zcrx.provider().clone();
    assert_eq!(provider.with_user(), 4);
    drop(zcrx);
    assert_eq!((provider.with_user(), pool.in_use()), (0, 1), "one is out");
    // The program may go on writing; nobody looks.
    drop(pieces);
    assert_eq!(user.settle(), 0);
    drop(pool);
    drop(out);
    assert_eq!(provider.available(), NIOVS);
    let params = PagePoolParams::for_device(bus.clone().driver_side(), 4096);
    let refused = PagePool::<NetIov>::new(params, provider.clone()).map(drop).unwrap_err();
    assert_eq!(refused, PoolError::Provider(ProviderError::Closed));
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
    drop(piece);
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
    let pieces = rig.post_all();
    let of = |area| pieces.iter().filter(|piece| piece.area() == area).count();
    assert_eq!((pieces.len(), of(0), of(1)), (NIOVS + 4, NIOVS, 4));
    drop(pieces);
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
    for entries in [0, 65537, u32::MAX] {
        let params = ZcrxParams { cq_entries: entries, ..base.clone() };
        assert_eq!(refused(params, all()), RegisterError::CqEntries { entries });
    }
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
    assert_eq!((user.ring().len(), user.completions().len()), (16, 16), "made into a power of two");
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
    assert_eq!(refused(PagePoolParams { direction, ..base.clone() }), ProviderError::Direction { direction });
    assert_eq!(
        refused(PagePoolParams { order: 1, ..base.clone() }),
        ProviderError::PieceSize { asked: 8192, has: 4096 }
    );
    let params = PagePoolParams { rx_page_size: 16384, ..base.clone() };
    assert_eq!(refused(params), ProviderError::PieceSize { asked: 16384, has: 4096 });
    let other: Arc<dyn DmaDevice> = Arc::new(Coherent::new());
    assert_eq!(refused(PagePoolParams { device: Some(other), ..base }), ProviderError::OtherDevice);
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
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let last = done.clone();
    let with_program: Arc<Vec<_>> = Arc::new((0..64).map(|_| std::sync::atomic::AtomicBool::new(false)).collect());
    let marks = with_program.clone();
    let program = std::thread::spawn(move || {
        let mut count = 0;
        loop {
            let ended = last.load(std::sync::atomic::Ordering::SeqCst);
            match user.receive().unwrap() {
                Some(piece) => {
                    let mark = &marks[piece.offset() as usize >> 12];
                    mark.store(false, std::sync::atomic::Ordering::SeqCst);
                    piece.give_back();
                    count += 1;
                }
                None if ended => break,
                None => std::thread::yield_now(),
            }
        }
        assert_eq!(user.settle(), 0);
        count
    });
    let mut posted = 0;
    while posted < 50_000 {
        let Some(memory) = pool.alloc() else {
            std::thread::yield_now();
            continue;
        };
        let frag = memory.into_frag().expect("nobody else has it");
        let mark = &with_program[frag.borrow().net_iov().index()];
        assert!(!mark.swap(true, std::sync::atomic::Ordering::SeqCst), "the program has it still");
        zcrx.post(frag).expect("64 net_iovs and 128 entries");
        posted += 1;
    }
    done.store(true, std::sync::atomic::Ordering::SeqCst);
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
        zcrx.post(pool.sync_for_cpu(completed.payload).unwrap()).unwrap();
        let piece = user.receive().unwrap().expect("one was posted");
        let seen = read(&memory, &piece);
        assert_eq!((seen.len(), &seen[12..14]), (742, &[8, 0][..]), "frame {number} is IPv4");
        piece.give_back();
    }
    assert_eq!((zcrx.stats().returned + zcrx.provider().with_user() as u64, zcrx.stats().skipped()), (40, 0));
    assert_eq!((zcrx.stats().copy_count, bus.stats().faults), (0, 0));
}
