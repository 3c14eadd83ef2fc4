//! A device that reads while safe code drops, forgets and panics around it. Rules O3, D3 and S2.

use super::rig::{FRAMES, Host, keep};
use netmem::dma::{DmaTxQueue, MAX_TX_PIECES, TxMap, TxMapError};
use netmem::mm::{PAGE_SIZE, get_page};
use netmem::netdev::{TxError, TxHardware, TxLoad, TxRing};
use netmem::page_pool::{Chunk, DmabufTxBinding};
use netmem::skb::{MmFrag, Skb, SkbFrag};
use netmem::{Page, PagePool};
use netmem_sim::kit::{Silence, Vram};
use netmem_sim::nic::traffic::{Sink, TrafficError};
use netmem_sim::nic::{Nic, NicError, NicParams, NicTxQueue};
use std::mem::{forget, swap};
use std::sync::{Arc, Mutex, mpsc};

/// A cable that does what it is told for each frame.
struct Cable<F>(F);

impl<F: FnMut(&[u8]) + Send> Sink for Cable<F> {
    fn send(&mut self, frame: &[u8]) -> Result<(), TrafficError> {
        (self.0)(frame);
        Ok(())
    }
    fn describe(&self) -> String {
        "a cable".into()
    }
}

fn nic(host: &Host, sink: impl FnMut(&[u8]) + Send + 'static) -> Nic {
    let params = NicParams { depth: 32, ..NicParams::default() };
    Nic::start_duplex(params, host.bus.clone(), Box::new(Silence), Box::new(Cable(sink))).unwrap()
}

fn ring(host: &Host, nic: &mut Nic) -> TxRing<NicTxQueue> {
    TxRing::new(nic.tx_queue(0).unwrap(), host.zone.clone()).unwrap()
}

fn binding(host: &Host) -> DmabufTxBinding {
    let len = 8 * PAGE_SIZE;
    DmabufTxBinding::bind(host.device(), Arc::new(Vram(len)), &[Chunk { offset: 0, len }], PAGE_SIZE).unwrap()
}

/// A packet of every sort of memory: the heap, a pool's page, a page of mm's, and device memory.
fn packet(host: &Host, pool: &mut PagePool<Page>, binding: &DmabufTxBinding) -> Skb {
    let mut skb = Skb::copy_from(&[1; 60]).unwrap();
    skb.add_rx_frag(pool.alloc_frag(500).unwrap(), 500).unwrap();
    skb.push_frag(SkbFrag::Mm(MmFrag::new(host.zone.alloc(0).unwrap(), 7, 100).unwrap())).unwrap();
    for frag in binding.frags(4000, 200).unwrap() {
        skb.push_frag(SkbFrag::Bound(frag)).unwrap();
    }
    skb
}

/// Attempt: a transmit ring dropped with packets in flight, and the pool, the binding and the NIC that they need, in each of 24 orders.
/// Holds: the device is stopped before memory returns, and everything is unmapped once.
#[test]
fn running_rings_are_dropped_in_any_order() {
    for order in 0..24 {
        let host = Host::new();
        let mut nic = nic(&host, |_| std::thread::yield_now());
        let mut ring = ring(&host, &mut nic);
        let (mut pool, binding) = (host.pool(), binding(&host));
        for _ in 0..6 {
            ring.send_netmem(packet(&host, &mut pool, &binding)).unwrap();
            ring.kick();
        }
        let (mut nic, mut ring, mut pool, mut binding) = (Some(nic), Some(ring), Some(pool), Some(binding));
        let mut left = vec![0, 1, 2, 3];
        for (turn, n) in [(order % 4, 4), (order / 4 % 3, 3), (order / 12, 2), (0, 1)] {
            assert_eq!(left.len(), n);
            match left.remove(turn) {
                0 => drop(nic.take()),
                1 => {
                    let ring = ring.take();
                    std::thread::spawn(move || drop(ring)).join().unwrap();
                }
                2 => drop(pool.take()),
                _ => drop(binding.take()),
            }
        }
        host.all_back();
    }
}

/// Attempt: `forget` of a ring with packets in flight. Holds: they are the device's for ever, mapped, and nobody else's.
#[test]
fn a_ring_that_is_forgotten_keeps_its_packets() {
    let host = Host::new();
    let mut nic = nic(&host, |_| {});
    let mut ring = ring(&host, &mut nic);
    let (mut pool, binding) = (host.pool(), binding(&host));
    ring.send_netmem(packet(&host, &mut pool, &binding)).unwrap();
    keep(ring); // which is what `forget` does
    drop((nic, pool));
    assert_eq!(binding.in_use(), 2);
    drop(binding);
    // Its linear part's copy, the pool's page, and mm's page; each mapped once, and the binding.
    host.back_but(3, 4);
}

/// Attempt: a cable that panics, with packets behind. Holds: the device ends, says so, and stops its queues: the packets return.
#[test]
fn a_cable_that_panics_stops_its_queues() {
    let host = Host::new();
    let mut nic = nic(&host, |_| panic!("cut"));
    let mut ring = ring(&host, &mut nic);
    let (mut pool, binding) = (host.pool(), binding(&host));
    for _ in 0..5 {
        ring.send_netmem(packet(&host, &mut pool, &binding)).unwrap();
    }
    ring.kick();
    let packets: Vec<TxLoad> = std::thread::spawn(move || ring.stop().collect()).join().unwrap();
    assert_eq!((packets.len(), host.bus.stats().mapped()), (5, 2 + pool.inflight() as u64 - 1));
    assert!(matches!(nic.finish(), Err(NicError::Panicked(text)) if text == "cut") || packets.len() == 5);
    drop((packets, pool, binding, nic));
    host.all_back();
}

/// Attempt: a transmit ring dropped on the device's own thread, which would wait for itself. Holds: it panics instead, and the packets leak.
#[test]
fn a_ring_that_its_own_device_drops() {
    let host = Host::new();
    let (give, take) = mpsc::channel::<TxRing<NicTxQueue>>();
    let (tell, told) = mpsc::channel();
    let mut nic = nic(&host, move |_| {
        tell.send(()).unwrap();
        drop(take.recv().unwrap());
    });
    let mut ring = ring(&host, &mut nic);
    let (mut pool, binding) = (host.pool(), binding(&host));
    keep(pool.id());
    ring.send_netmem(packet(&host, &mut pool, &binding)).unwrap();
    ring.kick();
    give.send(ring).unwrap();
    told.recv().unwrap();
    // The panic is the thread's, and comes out where the NIC ends.
    assert!(matches!(nic.finish(), Err(NicError::Panicked(text)) if text.contains("own thread")));
    drop((nic, pool, binding));
    host.back_but(3, 4);
}

/// Attempt: bytes of another page, of no page, beyond a block, and more pieces than there are, mapped by hand; a map that is forgotten
/// or outlives who had the page. Holds: only bytes of that very page are mapped, and a mapped page stays.
#[test]
fn a_map_takes_bytes_of_its_page_alone() {
    let host = Host::new();
    let (mut one, two) = (host.zone.alloc(1).unwrap(), host.zone.alloc(0).unwrap());
    let mut map = TxMap::new(host.device());
    for bytes in [two.bytes(), &two.bytes()[..1], &[], &[1, 2, 3], b"static"] {
        assert_eq!(map.map(one.page(), bytes), Err(TxMapError::OtherPage { len: bytes.len() }));
    }
    let slice = map.map(one.page(), &one.bytes()[4095..4097]).unwrap();
    let empty = map.map(one.page(), &one.bytes()[8192..]).unwrap();
    assert_eq!((slice.len(), empty.len(), map.len()), (2, 0, 2));
    for _ in 2..MAX_TX_PIECES {
        map.map(two.page(), two.bytes()).unwrap();
    }
    assert_eq!(map.map(two.page(), two.bytes()), Err(TxMapError::Full));
    assert_eq!(host.bus.stats().mapped(), MAX_TX_PIECES as u64);
    // Whoever has the page may drop it, or write what is mapped and in nobody's ring; it stays until it is unmapped.
    one.bytes_mut().fill(9);
    let mut other = TxMap::new(host.device());
    swap(&mut map, &mut other);
    drop((one, two, map));
    assert_eq!(host.zone.free_frames(), FRAMES - 3);
    drop(other);
    assert_eq!(host.zone.free_frames(), FRAMES);
    let page = host.zone.alloc(0).unwrap();
    let mut map = TxMap::new(host.device());
    map.map(page.page(), page.bytes()).unwrap();
    forget(map);
    drop(page);
    host.back_but(1, 1);
}

/// Attempt: packets that the device must not have: bound to another device, received device memory, no bytes, too many pieces. Holds: each comes
/// back whole, with nothing mapped, as often as it is tried.
#[test]
fn packets_that_are_refused_come_back_whole() {
    let (host, other) = (Host::new(), Host::new());
    let mut nic = nic(&host, |_| {});
    let mut ring = ring(&host, &mut nic);
    let (mut pool, theirs) = (host.pool(), binding(&other));
    let dmabuf = host.dmabuf(4);
    let mut received = packet(&host, &mut pool, &binding(&host));
    received.push_frag(SkbFrag::Pool(host.iov_pool(&dmabuf).alloc_frag(64).unwrap().into())).unwrap();
    let mut packets = [packet(&host, &mut pool, &theirs), received, Skb::new()];
    for _ in 0..3 {
        packets = packets.map(|skb| {
            let (len, mapped) = (skb.len(), host.bus.stats().mapped());
            let refused = ring.send_netmem(skb).unwrap_err();
            assert!(matches!(
                refused.reason,
                TxError::OtherDevice { frag: 2 } | TxError::NotForTransmit { frag: 4 } | TxError::TooShort(_)
            ));
            assert_eq!((refused.back.len(), host.bus.stats().mapped(), ring.packets()), (len, mapped, 0));
            refused.back
        });
    }
    // As many as the ring has descriptors for: 5 each of 32, and the seventh comes back.
    let ours = binding(&host);
    let kept = Arc::new(Mutex::new(Vec::new()));
    while ring.room() >= 5 {
        ring.send_netmem(packet(&host, &mut pool, &ours)).unwrap();
    }
    let refused = ring.send_netmem(packet(&host, &mut pool, &ours)).unwrap_err();
    assert!(matches!(refused.reason, TxError::Full { need: 5, room: 2 }));
    kept.lock().unwrap().push(refused.back);
    let extra = get_page(kept.lock().unwrap()[0].frags().nth(1).unwrap().page().unwrap());
    assert_eq!(ring.stop().count(), 6);
    drop((kept, packets, pool, ours, dmabuf, nic));
    assert_eq!(host.zone.free_frames(), FRAMES - 1);
    drop(extra);
    host.all_back();
    drop(theirs);
    other.all_back();
}

/// Attempt: the queue of a ring asked for by hand, and twice. Holds: it has nothing to say, and a third generation does not exist.
#[test]
fn queues_are_asked_behind_the_rings_back() {
    let host = Host::new();
    let mut nic = nic(&host, |_| {});
    let (mut first, second) = (nic.tx_queue(0).unwrap(), nic.tx_queue(0).unwrap());
    assert!(nic.tx_queue(0).is_none() && nic.tx_queue(1).is_none());
    assert!(first.complete().is_none());
    first.stop();
    let ring = TxRing::new(first, host.zone.clone()).unwrap();
    drop((ring, second));
    assert!(nic.tx_queue(0).is_some());
    drop(nic);
    host.all_back();
}
