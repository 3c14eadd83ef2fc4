//! Transmit: what is mapped is unmapped, once, on every way out; device memory is neither; and what the CPU cannot read
//! goes to a driver that declares it and to the device that it is bound to. Rules O3, D3 and S2 where they are checked at
//! run time.

use netmem::Refused;
use netmem::dma::{
    DeviceId, DmaDevice, DmaDirection, DmaTxQueue, MapError, PeerMemory, TxCompletion, TxDescriptor, TxMap, TxMapError,
};
use netmem::mm::Zone;
use netmem::netdev::{
    NetmemTx, NetmemTxMode, RxMemory, Sent, TxCompletionError, TxError, TxHardware, TxRing, Verdict, Xdp, validate_xmit,
};
use netmem::page_pool::{AnyProvider, Chunk, DmabufError, DmabufTxBinding, PagePool, PagePoolParams, TxRangeError};
use netmem::provider::DmabufProvider;
use netmem::skb::{FrameError, IpSummed, MmFrag, Skb, SkbFrag};
use netmem::{DmaAddr, Page};
use netmem_drivers::{Driver, Polled, QueueConfig, TransmitError, Transmitter};
use netmem_sim::Memfd;
use netmem_sim::dma::{Bounce, Coherent, DmaBus, DmaFault, Iommu};
use netmem_sim::kit::{self, Silence, Watched, frames_of, generated, udp, wait_for};
use netmem_sim::nic::frame::{UDP_HEADERS, checksum_ok};
use netmem_sim::nic::traffic::{Collect, PayloadSize, Traffic, loopback};
use netmem_sim::nic::{Hostile, Nic, NicParams, NicTxQueue, Trick};
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Memory and a device, and what it has sent.
struct Rig {
    kit: kit::Rig,
    sent: Collect,
}

impl Deref for Rig {
    type Target = kit::Rig;
    fn deref(&self) -> &kit::Rig {
        &self.kit
    }
}

impl Rig {
    fn new(bus: impl DmaBus + 'static) -> Self {
        Rig { kit: kit::Rig::new(bus, 2048), sent: Collect::new() }
    }

    fn nic(&self, params: NicParams) -> Nic {
        self.duplex(params, Box::new(Silence))
    }

    fn duplex(&self, params: NicParams, traffic: Box<dyn Traffic>) -> Nic {
        Nic::start_duplex(params, self.bus.clone(), traffic, Box::new(self.sent.clone())).unwrap()
    }

    fn ring(&self, nic: &mut Nic) -> TxRing<NicTxQueue> {
        TxRing::new(nic.tx_queue(0).unwrap(), self.zone.clone()).unwrap()
    }

    /// `len` bytes of a page of mm's.
    fn mm(&self, len: usize, seed: u8) -> MmFrag {
        let mut page = self.zone.alloc(0).unwrap();
        page.bytes_mut()[100..100 + len].copy_from_slice(&bytes(len, seed));
        MmFrag::new(page, 100, len as u32).unwrap()
    }

    fn assert_clean(self) {
        self.kit.assert_clean();
    }
}

fn bytes(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + usize::from(seed)) as u8).collect()
}

/// What completes next.
fn next_sent(nic: &Nic, ring: &mut TxRing<NicTxQueue>) -> Result<Sent, TxCompletionError> {
    wait_for(nic, || ring.complete())
}

/// A GPU with known bytes, and a binding of two chunks of it in the wrong order, with a hole between them.
fn gpu(device: Arc<dyn DmaDevice>) -> (DmabufTxBinding, Vec<u8>) {
    let content = bytes(16 * 4096, 3);
    let memory = Memfd::new("gpu", content.len()).unwrap();
    memory.write(0, &content).unwrap();
    let chunks = [Chunk { offset: 8 * 4096, len: 8 * 4096 }, Chunk { offset: 0, len: 4 * 4096 }];
    (DmabufTxBinding::bind(device, memory, &chunks, 4096).unwrap(), content)
}

/// Headers of a UDP packet with `len` bytes of payload that the CPU does not have, and what the device is to compute.
fn headers(payload: usize) -> Skb {
    let mut frame = udp(&vec![0; payload]);
    let (ip, transport) = (14, 34);
    // The sum of the pseudo header in place of the checksum: addresses, protocol, length.
    let mut sum = netmem::skb::checksum::Checksum::new();
    sum.add(&frame[ip + 12..ip + 20]);
    sum.add_u16(17);
    sum.add_u16(8 + payload as u16);
    frame[transport + 6..transport + 8].copy_from_slice(&(!sum.finish()).to_be_bytes());
    let mut skb = Skb::copy_from(&frame[..UDP_HEADERS]).unwrap();
    skb.set_ip_summed(IpSummed::Partial { start: transport as u16, offset: 6 });
    skb
}

#[test]
fn packets_of_all_kinds_of_host_memory_arrive_whole_and_in_order() {
    for rig in [Rig::new(Coherent::new()), Rig::new(Bounce::new()), Rig::new(Iommu::new())] {
        let mut nic = rig.nic(NicParams { depth: 32, ..NicParams::default() });
        let mut ring = rig.ring(&mut nic);
        let mut pool = rig.pool();
        let mut want = Vec::new();
        for i in 0..200_u8 {
            // The linear part on the heap or in a page, and up to three frags behind it.
            let head = bytes(20 + usize::from(i), i);
            let mut skb = if i % 2 == 0 {
                Skb::copy_from(&head).unwrap()
            } else {
                let mut frag = pool.alloc_frag(head.len() as u32).unwrap();
                frag.bytes_mut().copy_from_slice(&head);
                Skb::build(frag)
            };
            let mut frame = head;
            for k in 0..i % 4 {
                let len = 1 + usize::from(i) * usize::from(k);
                if k % 2 == 0 {
                    skb.add_mm_frag(rig.mm(len, i + k)).unwrap();
                } else {
                    let mut frag = pool.alloc_frag(len as u32).unwrap();
                    frag.bytes_mut().copy_from_slice(&bytes(len, i.wrapping_add(k)));
                    skb.add_rx_frag(frag, 2048).unwrap();
                }
                frame.extend(bytes(len, i.wrapping_add(k)));
            }
            assert_eq!(skb.len(), frame.len());
            want.push(frame);
            let mut skb = skb.into_readable().unwrap();
            // A full ring gives the packet back, whole, and takes it when there is room.
            while let Err(Refused { reason, back }) = ring.send(skb) {
                assert!(matches!(reason, TxError::Full { need: 1..=4, room: 0..=3 }), "{reason}");
                assert_eq!(back.len(), want.last().unwrap().len());
                ring.kick();
                assert!(!next_sent(&nic, &mut ring).unwrap().failed);
                skb = back;
            }
        }
        ring.kick();
        while ring.packets() != 0 {
            assert!(!next_sent(&nic, &mut ring).unwrap().failed);
        }
        assert_eq!((ring.room(), rig.sent.frames()), (32, want));
        assert_eq!(nic.tx_queue_stats(0).unwrap().frames, 200);
        drop((ring, nic, pool));
        rig.assert_clean();
    }
}

#[test]
fn o3_the_packet_comes_back_after_completion_and_not_before() {
    let rig = Rig::new(Iommu::new());
    let mut nic = rig.nic(NicParams::default());
    let mut ring = rig.ring(&mut nic);
    let mut pool = rig.pool();
    let mut frag = pool.alloc_frag(1000).unwrap();
    frag.bytes_mut().copy_from_slice(&bytes(1000, 1));
    let mapped = rig.bus.stats().mapped();
    ring.send(Skb::build(frag).into_readable().unwrap()).unwrap();
    assert_eq!((rig.bus.stats().mapped(), ring.packets(), ring.room()), (mapped + 1, 1, 255));
    assert!(ring.complete().is_none(), "the device has not been told yet");
    ring.kick();
    let Sent { load, failed } = next_sent(&nic, &mut ring).unwrap();
    let skb = load.into_skb().unwrap();
    assert!(!failed);
    assert_eq!((rig.bus.stats().mapped(), ring.packets(), ring.room()), (mapped, 0, 256));
    assert_eq!(skb.linear(), bytes(1000, 1));
    drop((skb, ring, nic, pool));
    rig.assert_clean();
}

#[test]
fn what_is_received_is_sent_on_and_its_pages_are_recycled_directly() {
    for rig in [Rig::new(Bounce::new()), Rig::new(Iommu::new()), Rig::new(Coherent::new())] {
        let size = PayloadSize::Range { min: 16, max: 5000 };
        let nic = rig.duplex(NicParams::default(), generated(5, 2000, size));
        let memory = rig.whole_frames();
        let mut driver = Driver::new(nic, vec![QueueConfig::new(memory)]).unwrap();
        let mut transmitter = Transmitter::new(driver.hardware(), 1, &rig.zone).unwrap();
        let mut waiting = VecDeque::new();
        loop {
            let over = driver.hardware().has_ended();
            let Polled { work, .. } = driver.poll(64, |skb| {
                waiting.push_back(skb.into_readable().expect("host memory"));
                None
            });
            // In order: when one is refused, those behind it wait, though a smaller one might fit.
            while let Some(skb) = waiting.pop_front() {
                if let Err(refused) = transmitter.send(0, skb) {
                    waiting.push_front(refused.back);
                    break;
                }
            }
            transmitter.kick();
            let cleaned = driver.clean(&mut transmitter);
            if over && work == 0 && !driver.hardware().has_completions() && waiting.is_empty() && cleaned == 0 {
                if transmitter.pending() == 0 {
                    break;
                }
                driver.hardware().wait(Duration::from_millis(1));
            }
        }
        assert!(rig.sent.frames() == frames_of(&mut *generated(5, 2000, size)), "every byte, in order");
        let stats = transmitter.stats(0).unwrap();
        assert_eq!((stats.packets, stats.failed, stats.bad_completions, stats.refused), (2000, 0, 0, 0));
        let pool = driver.napi().memory(0).unwrap().payload().stats();
        assert_eq!(pool.recycle_ring, pool.recycle_cache_full, "all went back through the poll: {pool:?}");
        assert!(pool.recycle_cached > 100, "{pool:?}");
        drop((transmitter, driver));
        rig.assert_clean();
    }
}

/// `XDP_TX`: the program answers each packet to where it came from, without an skb.
#[test]
fn o3_a_verdict_sends_the_packet_and_the_driver_has_it_no_more() {
    for rig in [Rig::new(Bounce::new()), Rig::new(Iommu::new())] {
        let size = PayloadSize::Range { min: 16, max: 1400 };
        let nic = rig.duplex(NicParams { max_frame: 2048, ..NicParams::default() }, generated(6, 1000, size));
        let params = PagePoolParams { direction: DmaDirection::Bidirectional, ..rig.params() };
        let payload = PagePool::new(params, AnyProvider::from(rig.pages())).unwrap();
        let memory = RxMemory::new(payload, None);
        let mut driver = Driver::new(nic, vec![QueueConfig::new(memory)]).unwrap();
        let transmitter = Arc::new(Mutex::new(Transmitter::new(driver.hardware(), 1, &rig.zone).unwrap()));
        let tx = transmitter.clone();
        let xdp = Xdp::new(|mut buff| {
            let (to, from) = buff.bytes_mut()[..12].split_at_mut(6);
            to.swap_with_slice(from);
            Verdict::Tx(buff)
        });
        driver.attach_xdp(Some(xdp.on_tx(move |buff| tx.lock().unwrap().send_xdp(0, buff)))).unwrap();
        // What came before the program was attached: at most a ring of them.
        let mut passed = 0;
        loop {
            let over = driver.hardware().has_ended();
            let Polled { work, .. } = driver.poll(64, |skb| {
                passed += 1;
                Some(skb)
            });
            let mut transmitter = transmitter.lock().unwrap();
            transmitter.kick();
            while transmitter.pending() != 0 {
                driver.clean(&mut transmitter);
                driver.hardware().wait(Duration::from_millis(1));
            }
            if over && work == 0 && !driver.hardware().has_completions() {
                break;
            }
        }
        let mut want = frames_of(&mut *generated(6, 1000, size));
        want.iter_mut().for_each(|frame| frame[..12].rotate_left(6));
        assert!(passed <= 256 && rig.sent.frames() == want[passed..], "every byte, in order");
        let stats = driver.stats(0).unwrap();
        assert_eq!((stats.xdp_sent, stats.xdp_unsent, stats.packets), (1000 - passed as u64, 0, passed as u64));
        drop((driver, transmitter));
        rig.assert_clean();
    }
}

#[test]
fn device_memory_is_sent_without_a_look_and_the_device_computes_the_checksum() {
    for rig in [Rig::new(Coherent::new()), Rig::new(Bounce::new()), Rig::new(Iommu::new())] {
        let (binding, content) = gpu(rig.device());
        let mut nic = rig.nic(NicParams::default());
        let mut ring = rig.ring(&mut nic);
        let before = rig.bus.stats();
        // Within a net_iov, across two and across three, at the very end.
        let ranges = [(10, 100), (4000, 200), (8 * 4096 - 1 + 1, 9000), (16 * 4096 - 1400, 1400)];
        for (offset, len) in ranges {
            let mut skb = headers(len);
            for frag in binding.frags(offset, len).unwrap() {
                assert!(frag.is_for(rig.device().id()) && frag.borrow().is_net_iov());
                skb.add_bound_frag(frag).unwrap();
            }
            assert_eq!(skb.data_len(), len);
            let mut skb = skb.into_readable().expect_err("device memory cannot be read");
            assert!((0..skb.nr_frags()).all(|frag| skb.edit_frag(frag, |frag| frag.bytes_mut().is_none()).unwrap()));
            ring.send_netmem(skb).unwrap();
        }
        ring.kick();
        // The binding goes while its frags are with the device.
        assert!(binding.in_use() >= ranges.len());
        drop(binding);
        for _ in ranges {
            assert!(!next_sent(&nic, &mut ring).unwrap().failed);
        }
        // One page for each linear part was mapped and unmapped, and the binding went with its last frag.
        let after = rig.bus.stats();
        assert_eq!((after.maps - before.maps, after.unmaps - before.unmaps), (4, 4 + 2));
        for (frame, (offset, len)) in rig.sent.frames().iter().zip(ranges) {
            assert_eq!(&frame[UDP_HEADERS..], &content[offset..offset + len], "{len} bytes at {offset}");
            assert_eq!(checksum_ok(frame), Some(true));
        }
        drop((ring, nic));
        rig.assert_clean();
    }
}

#[test]
fn the_same_device_memory_is_sent_twice_by_an_explicit_reference() {
    let rig = Rig::new(Iommu::new());
    let (binding, content) = gpu(rig.device());
    let mut nic = rig.nic(NicParams::default());
    let mut ring = rig.ring(&mut nic);
    let frag = binding.frags(100, 50).unwrap().next().unwrap();
    for frag in [frag.get(), frag] {
        let mut skb = Skb::new();
        skb.add_bound_frag(frag).unwrap();
        ring.send_netmem(skb).unwrap();
    }
    assert_eq!(binding.in_use(), 2);
    ring.kick();
    for _ in 0..2 {
        let sent = next_sent(&nic, &mut ring).unwrap();
        let mut skb = sent.load.into_skb().unwrap();
        assert!(matches!(skb.take_frags().next(), Some(SkbFrag::Bound(frag)) if frag.memory_offset() == 100));
    }
    assert_eq!((binding.in_use(), rig.sent.frames()), (0, vec![content[100..150].to_vec(); 2]));
    drop((binding, ring, nic));
    rig.assert_clean();
}

#[test]
fn s2_device_memory_goes_to_the_device_it_is_bound_to() {
    let rig = Rig::new(Iommu::new());
    let other = Arc::new(Iommu::new());
    let (foreign, _) = gpu(other.clone().driver_side());
    let (own, content) = gpu(rig.device());
    let mut nic = rig.nic(NicParams::default());
    let mut ring = rig.ring(&mut nic);
    let mapped = rig.bus.stats().mapped();
    // Linux looks at the first frag; the second is as bad.
    let mut skb = headers(150);
    skb.add_bound_frag(own.frags(0, 100).unwrap().next().unwrap()).unwrap();
    skb.add_bound_frag(foreign.frags(0, 50).unwrap().next().unwrap()).unwrap();
    let Refused { reason, back: skb } = ring.send_netmem(skb).unwrap_err();
    assert_eq!(reason, TxError::OtherDevice { frag: 1 });
    assert!(reason.to_string().contains("bound to another device: bind it to the one that sends it"));
    assert_eq!((skb.nr_frags(), ring.packets(), rig.bus.stats().mapped()), (2, 0, mapped), "whole, and nothing mapped");

    // What was received into cannot be sent: it is mapped for the device to write.
    let memory = Memfd::new("gpu", 4096).unwrap();
    let rx = DmabufProvider::bind(rig.device(), memory, &[Chunk { offset: 0, len: 4096 }], 4096).unwrap();
    let params = PagePoolParams::for_device(rig.device(), 4096);
    let mut pool: PagePool = PagePool::new(params, AnyProvider::from(rx)).unwrap();
    let mut received = Skb::copy_from(b"headers").unwrap();
    received.add_rx_frag(pool.alloc_frag(100).unwrap(), 100).unwrap();
    let refused = ring.send_netmem(received).unwrap_err();
    assert_eq!(refused.reason, TxError::NotForTransmit { frag: 0 });

    // A packet without device memory is like any other.
    ring.send_netmem(Skb::copy_from(&content[..60]).unwrap()).unwrap();
    ring.kick();
    assert!(!next_sent(&nic, &mut ring).unwrap().failed);
    drop((skb, refused, pool, foreign, own, ring, nic));
    rig.assert_clean();
    assert_eq!((other.stats().mapped(), other.stats().faults), (0, 0));
}

/// A virtual device: it does no DMA, and passes packets on to the one beneath it.
struct Passes;

impl NetmemTx for Passes {
    const MODE: NetmemTxMode = NetmemTxMode::NoDma;
}

#[test]
fn s2_a_device_without_dma_passes_them_on_and_the_one_beneath_checks() {
    let rig = Rig::new(Iommu::new());
    let (binding, _) = gpu(Arc::new(Iommu::new()).driver_side());
    let mut skb = headers(100);
    skb.add_bound_frag(binding.frags(0, 100).unwrap().next().unwrap()).unwrap();
    assert_eq!(validate_xmit::<Passes>(&skb, rig.device().id()), Ok(()));
    assert_eq!(validate_xmit::<NicTxQueue>(&skb, rig.device().id()), Err(TxError::OtherDevice { frag: 0 }));
    let mut nic = rig.nic(NicParams::default());
    let refused = rig.ring(&mut nic).send_netmem(skb).unwrap_err();
    assert_eq!(refused.reason, TxError::OtherDevice { frag: 0 });
}

#[test]
fn d3_a_packet_that_cannot_be_mapped_leaves_nothing_mapped() {
    // A linear part and five frags, of which one is device memory; with room for every number of mappings below five.
    for room in 0..=5 {
        let rig = Rig::new(Watched::refusing(false, move |number| number >= room as u64));
        let (binding, content) = gpu(rig.device());
        let mut nic = rig.nic(NicParams::default());
        let mut ring = rig.ring(&mut nic);
        let mut skb = Skb::copy_from(b"the linear part").unwrap();
        let mut want = b"the linear part".to_vec();
        for i in 0..4 {
            skb.add_mm_frag(rig.mm(50, i)).unwrap();
            want.extend(bytes(50, i));
            if i == 1 {
                skb.add_bound_frag(binding.frags(77, 33).unwrap().next().unwrap()).unwrap();
                want.extend(&content[77..110]);
            }
        }
        let frames = rig.zone.free_frames();
        let before = rig.bus.stats();
        match ring.send_netmem(skb) {
            Ok(()) => {
                assert_eq!(room, 5);
                ring.kick();
                assert!(!next_sent(&nic, &mut ring).unwrap().failed);
                assert_eq!(rig.sent.frames(), [want]);
            }
            Err(Refused { reason, back: skb }) => {
                // The frag of device memory is the third, and takes no mapping.
                let piece = if room < 3 { room } else { room + 1 };
                let len = if room == 0 { 15 } else { 50 };
                assert_eq!(reason, TxError::Map { piece, source: TxMapError::NoRoom { len } });
                assert_eq!((skb.nr_frags(), skb.len()), (5, want.len()), "the packet is whole");
                assert_eq!((ring.packets(), ring.room()), (0, 256));
                assert_eq!(rig.zone.free_frames(), frames, "and the bounce page is free");
                let after = rig.bus.stats();
                assert_eq!((after.maps - before.maps, after.unmaps - before.unmaps), (room as u64, room as u64));
                drop(skb);
            }
        }
        drop((binding, ring, nic));
        rig.assert_clean();
    }
}

#[test]
fn o3_stopping_and_dropping_unmap_what_is_with_the_device() {
    for keep in [true, false] {
        let rig = Rig::new(Iommu::new());
        let (binding, _) = gpu(rig.device());
        let mut nic = rig.nic(NicParams::default());
        for _ in 0..50 {
            let mut ring = rig.ring(&mut nic);
            for i in 0..20 {
                let mut skb = Skb::copy_from(&bytes(60, i)).unwrap();
                skb.add_mm_frag(rig.mm(700, i)).unwrap();
                for frag in binding.frags(usize::from(i), 5000).unwrap() {
                    skb.add_bound_frag(frag).unwrap();
                }
                ring.send_netmem(skb).unwrap();
            }
            ring.kick();
            // Some are sent by now, some are being sent, some are not.
            if keep {
                let back: Vec<_> = ring.stop().collect();
                assert!(back.iter().all(|skb| skb.len() == 5760));
                assert_eq!((back.len(), rig.bus.stats().mapped()), (20, 2), "the packets are back, and unmapped");
            } else {
                drop(ring);
            }
            assert_eq!(binding.in_use(), 0);
        }
        drop((binding, nic));
        rig.assert_clean();
    }
}

fn tricks(every: u64, tricks: &[Trick]) -> NicParams {
    let tx_hostile = Some(Hostile { every, seed: 2, tricks: tricks.to_vec() });
    NicParams { depth: 16, tx_hostile, ..NicParams::default() }
}

#[test]
fn completions_that_name_no_packet_are_refused() {
    let rig = Rig::new(Iommu::new());
    let mut nic = rig.nic(tricks(2, &[Trick::Index, Trick::Twice, Trick::Overrun]));
    let mut ring = rig.ring(&mut nic);
    let (mut sent, mut index, mut not_posted) = (0, 0, 0);
    // One packet at a time, and sixteen with the device before that, so that slots are used again.
    for i in 0..300 {
        let mut skb = Skb::copy_from(&bytes(60, i as u8)).unwrap().into_readable().unwrap();
        while let Err(refused) = ring.send(skb) {
            skb = refused.back;
            match next_sent(&nic, &mut ring) {
                Ok(Sent { failed, .. }) => {
                    assert!(!failed);
                    sent += 1;
                }
                Err(TxCompletionError::Index { index: 16.., depth: 16 }) => index += 1,
                Err(TxCompletionError::NotPosted { .. }) => not_posted += 1,
                Err(other) => panic!("{other}"),
            }
        }
        ring.kick();
    }
    while sent < 300 || index + not_posted < 150 {
        match next_sent(&nic, &mut ring) {
            Ok(_) => sent += 1,
            Err(TxCompletionError::Index { .. }) => index += 1,
            Err(_) => not_posted += 1,
        }
    }
    // What is reported once more may itself have been nonsense.
    assert!(index >= 50 && not_posted >= 50, "{index}, {not_posted}");
    assert_eq!((sent, index + not_posted, ring.packets(), ring.room()), (300, 150, 0, 16));
    assert_eq!(rig.sent.frames(), (0..300).map(|i| bytes(60, i as u8)).collect::<Vec<_>>());
    drop((ring, nic));
    rig.assert_clean();
}

#[test]
fn a_fault_fails_the_packet_alone_and_gives_it_back() {
    let rig = Rig::new(Iommu::new());
    let mut nic = rig.nic(tricks(5, &[Trick::DmaFault]));
    let mut ring = rig.ring(&mut nic);
    let mut failed = 0;
    for i in 0..100 {
        ring.send(Skb::copy_from(&bytes(60, i)).unwrap().into_readable().unwrap()).unwrap();
        ring.kick();
        let sent = next_sent(&nic, &mut ring).unwrap();
        failed += usize::from(sent.failed);
        assert_eq!(sent.load.into_skb().unwrap().linear(), bytes(60, i));
    }
    assert_eq!((failed, rig.sent.frames().len(), rig.bus.stats().faults), (20, 80, 20));
    assert_eq!(rig.bus.stats().mapped(), 0);
}

#[test]
fn a_device_that_is_taken_out_gives_its_packets_back() {
    let rig = Rig::new(Iommu::new());
    let mut nic = rig.nic(tricks(4, &[Trick::Remove]));
    let mut ring = rig.ring(&mut nic);
    for i in 0..8 {
        ring.send(Skb::copy_from(&bytes(60, i)).unwrap().into_readable().unwrap()).unwrap();
    }
    ring.kick();
    wait_for(&nic, || netmem::netdev::Hardware::is_gone(&nic).then_some(()));
    let mut sent = 0;
    while let Some(Ok(_)) = ring.complete() {
        sent += 1;
    }
    assert_eq!((sent, ring.stop().count()), (3, 5), "the fourth was under way when it went");
    drop(nic);
    rig.assert_clean();
}

#[test]
fn bad_packets_are_refused_with_a_reason() {
    let rig = Rig::new(Coherent::new());
    let mut nic = rig.nic(NicParams { depth: 4, ..NicParams::default() });
    let mut ring = rig.ring(&mut nic);
    let mut refuse = |skb: Skb| ring.send(skb.into_readable().unwrap()).unwrap_err().reason;
    for len in [0, 1, 13] {
        let short = TxError::TooShort(FrameError { len });
        assert_eq!(refuse(Skb::copy_from(&[0; 13][..len]).unwrap()), short);
    }
    let mut skb = Skb::copy_from(&[0; 100]).unwrap();
    skb.set_ip_summed(IpSummed::Partial { start: 90, offset: 9 });
    assert_eq!(refuse(skb), TxError::Checksum { start: 90, offset: 9, len: 100 });
    let mut skb = Skb::copy_from(&[0; 100]).unwrap();
    for i in 0..4 {
        skb.add_mm_frag(rig.mm(10, i)).unwrap();
    }
    assert_eq!(refuse(skb), TxError::Full { need: 5, room: 4 });
    // No zone has a block for it.
    assert_eq!(refuse(Skb::copy_from(&vec![0; 9 << 20]).unwrap()), TxError::NoMemory { len: 9 << 20 });
    let all: Vec<_> = std::iter::from_fn(|| rig.zone.alloc(0)).collect();
    assert_eq!(refuse(Skb::copy_from(&[0; 100]).unwrap()), TxError::NoMemory { len: 100 });
    drop(all);
    // Longer than the device takes: sent, and reported as failed.
    ring.send(Skb::copy_from(&[0; 10_000]).unwrap().into_readable().unwrap()).unwrap();
    ring.kick();
    assert!(next_sent(&nic, &mut ring).unwrap().failed);
    assert_eq!(Transmitter::new(&mut nic, 2, &rig.zone).unwrap_err(), TransmitError::NoQueue { queue: 1 });
    drop((ring, nic));
    rig.assert_clean();
}

#[test]
fn ranges_that_are_not_bound_are_refused_with_the_offset() {
    let rig = Rig::new(Iommu::new());
    let (binding, _) = gpu(rig.device());
    let refuse = |offset, len| binding.frags(offset, len).unwrap_err();
    assert_eq!(refuse(5, 0), TxRangeError::Empty { offset: 5 });
    for (offset, len, at) in [
        (4 * 4096 - 1, 2, 4 * 4096),
        (4 * 4096, 1, 4 * 4096),
        (8 * 4096 - 1, 2, 8 * 4096 - 1),
        (0, 16 * 4096, 4 * 4096),
        (16 * 4096 - 1, 2, 16 * 4096),
        (usize::MAX, 1, usize::MAX),
        (usize::MAX, 2, usize::MAX),
    ] {
        assert_eq!(refuse(offset, len), TxRangeError::NotBound { offset, len, at });
    }
    assert_eq!(binding.frags(8 * 4096, 8 * 4096).unwrap().count(), 8);
    drop(binding);
    let memory = Memfd::new("gpu", 8192).unwrap();
    let bind = |chunks: &[Chunk], size| DmabufTxBinding::bind(rig.device(), memory.clone(), chunks, size).unwrap_err();
    assert_eq!(bind(&[], 4096), DmabufError::Empty);
    assert_eq!(bind(&[Chunk { offset: 0, len: 4096 }], 5000), DmabufError::NiovSize { size: 5000 });
    rig.assert_clean();
}

#[test]
fn a_device_does_not_read_what_is_mapped_for_it_to_write_nor_the_reverse() {
    let zone = Zone::new(1).unwrap();
    let page = zone.alloc(0).unwrap();
    for bus in [Arc::new(Iommu::new()) as Arc<dyn DmaBus>, Arc::new(Bounce::new()), Arc::new(Coherent::new())] {
        let mut to = [0; 8];
        // SAFETY: the page is allocated until both mappings have ended, below.
        let map = |direction| unsafe { bus.map(page.page(), direction) }.unwrap();
        let (rx, tx) = (map(DmaDirection::FromDevice), map(DmaDirection::ToDevice));
        // SAFETY: nobody else looks at the page.
        let write = |addr: DmaAddr| unsafe { bus.write(addr.as_raw(), &[0; 8]) };
        // SAFETY: as above.
        let mut read = |addr: DmaAddr| unsafe { bus.read(addr.as_raw(), &mut to) };
        assert_eq!((write(rx), read(tx)), (Ok(()), Ok(())));
        if rx != tx {
            let fault = |what, addr: DmaAddr| Err(DmaFault::Direction { what, addr: addr.as_raw(), len: 8 });
            assert_eq!((write(tx), read(rx)), (fault("writes", tx), fault("reads", rx)));
        }
        for addr in [rx, tx] {
            // SAFETY: each was mapped once, and the page is still allocated.
            unsafe { bus.unmap(addr) };
        }
        assert_eq!(read(tx), Err(DmaFault::Unmapped { addr: tx.as_raw(), len: 8 }));
    }
}

/// A device that notes through which bytes it was shown what it is to send.
struct Shown {
    inner: Arc<Bounce>,
    slices: Mutex<Vec<(usize, usize)>>,
}

// SAFETY: every call goes to a device that keeps the promise.
unsafe impl DmaDevice for Shown {
    fn id(&self) -> DeviceId {
        self.inner.id()
    }
    unsafe fn map(&self, page: &Page, direction: DmaDirection) -> Option<DmaAddr> {
        // SAFETY: promised by the caller.
        unsafe { self.inner.map(page, direction) }
    }
    unsafe fn unmap(&self, addr: DmaAddr) {
        // SAFETY: promised by the caller.
        unsafe { self.inner.unmap(addr) }
    }
    fn map_peer(&self, _: Arc<dyn PeerMemory>, _: usize, len: usize, _: DmaDirection) -> Result<DmaAddr, MapError> {
        Err(MapError::NoRoom { len })
    }
    unsafe fn unmap_peer(&self, _: DmaAddr) {
        unreachable!("none was mapped")
    }
    fn needs_sync(&self) -> bool {
        true
    }
    unsafe fn sync_for_cpu(&self, _: DmaAddr, _: usize, _: usize) {
        unreachable!("the device does not write what is sent")
    }
    unsafe fn sync_for_device(&self, _: DmaAddr, _: usize, _: usize) {
        unreachable!("it would read the bytes by a pointer of its own, beside a borrow that may be exclusive")
    }
    unsafe fn sync_bytes_for_device(&self, addr: DmaAddr, offset: usize, bytes: &[u8]) {
        self.slices.lock().unwrap().push((bytes.as_ptr().addr(), bytes.len()));
        // SAFETY: promised by the caller.
        unsafe { self.inner.sync_bytes_for_device(addr, offset, bytes) }
    }
}

#[test]
fn what_is_sent_is_read_through_the_borrow_that_was_given() {
    let device = Arc::new(Shown { inner: Arc::new(Bounce::new()), slices: Mutex::new(Vec::new()) });
    let mut page = Zone::new(1).unwrap().alloc(0).unwrap();
    let reference = netmem::mm::get_page(page.page());
    let mut map = TxMap::new(device.clone());
    let bytes = page.bytes_mut();
    bytes[100..164].fill(1);
    let (at, slice) = (bytes[100..].as_ptr().addr(), map.map(&reference, &bytes[100..164]).unwrap());
    bytes[100..164].fill(2); // the borrow is exclusive still, and what the device was shown stays
    let mut seen = [0; 64];
    // SAFETY: nobody writes what is mapped, and the device has it in a buffer of its own.
    unsafe { device.inner.read(slice.addr().as_raw(), &mut seen) }.unwrap();
    assert_eq!((seen, device.slices.lock().unwrap().clone()), ([1; 64], vec![(at, 64)]));
}

#[test]
fn a_map_takes_bytes_of_the_page_and_no_others() {
    let zone = Zone::new(8).unwrap();
    let (page, block) = (zone.alloc(0).unwrap(), zone.alloc(1).unwrap());
    let device = Arc::new(Iommu::new());
    let mut map = TxMap::new(device.clone().driver_side());
    assert_eq!(map.map(page.page(), b"elsewhere"), Err(TxMapError::OtherPage { len: 9 }));
    assert_eq!(map.map(page.page(), &block.bytes()[..10]), Err(TxMapError::OtherPage { len: 10 }));
    assert_eq!(map.map(block.page(), &block.bytes()[4000..8192]).unwrap().len(), 4192);
    for _ in 1..18 {
        map.map(page.page(), &page.bytes()[..1]).unwrap();
    }
    assert_eq!(map.map(page.page(), &page.bytes()[..1]), Err(TxMapError::Full));
    // The page is unmapped before it is freed, whoever lets go of it first.
    drop((page, block));
    assert_eq!((zone.free_frames(), device.stats().mapped()), (5, 18));
    drop(map);
    assert_eq!((zone.free_frames(), device.stats().mapped(), device.stats().faults), (8, 0, 0));
}

#[test]
fn a_cable_that_comes_back() {
    let rig = Rig::new(Bounce::new());
    let (sink, traffic) = loopback(1024);
    let nic = Nic::start_duplex(NicParams::default(), rig.bus.clone(), Box::new(traffic), Box::new(sink)).unwrap();
    let mut driver = Driver::new(nic, vec![QueueConfig::new(rig.whole_frames())]).unwrap();
    let mut transmitter = Transmitter::new(driver.hardware(), 1, &rig.zone).unwrap();
    // Device memory goes out, and comes back as host memory, with a checksum that the device computed and checked.
    let (binding, content) = gpu(rig.device());
    for i in 0..50 {
        let mut skb = headers(1000);
        for frag in binding.frags(i * 100, 1000).unwrap() {
            skb.add_bound_frag(frag).unwrap();
        }
        transmitter.send_netmem(0, skb).unwrap();
    }
    transmitter.kick();
    let (mut seen, deadline) = (0, Instant::now() + Duration::from_secs(10));
    while seen < 50 || transmitter.pending() != 0 {
        assert!(Instant::now() < deadline, "{seen} of 50");
        let Polled { work, .. } = driver.poll(64, |skb| {
            let mut frame = vec![0; skb.len()];
            skb.copy_bits(0, &mut frame).unwrap();
            assert_eq!(&frame[UDP_HEADERS..], &content[seen * 100..][..1000]);
            assert_eq!(skb.ip_summed(), IpSummed::Unnecessary);
            seen += 1;
            Some(skb)
        });
        if driver.clean(&mut transmitter) == 0 && work == 0 {
            driver.hardware().wait(Duration::from_millis(10));
        }
    }
    drop((transmitter, driver, binding));
    rig.assert_clean();
}

/// A queue of no device, which reports a packet that does not exist, for ever.
struct Nonsense(Arc<dyn DmaDevice>);

// SAFETY: there is no device that could touch anything.
unsafe impl DmaTxQueue for Nonsense {
    fn device(&self) -> &Arc<dyn DmaDevice> {
        &self.0
    }
    fn depth(&self) -> usize {
        16
    }
    fn post(&mut self, _descriptor: TxDescriptor) {}
    fn kick(&mut self) {}
    fn complete(&mut self) -> Option<TxCompletion> {
        Some(TxCompletion { id: 0xffff, failed: false })
    }
    fn stop(&mut self) {}
}

#[test]
fn nonsense_without_end_does_not_keep_a_clean_from_ending() {
    let rig = Rig::new(Iommu::new());
    let mut ring = TxRing::new(Nonsense(rig.device()), rig.zone.clone()).unwrap();
    ring.send(Skb::copy_from(b"it is kept here").unwrap().into_readable().unwrap()).unwrap();
    let mut napi = netmem::netdev::Napi::new(Vec::new());
    let cleaned = napi.poll(1, |poll| ring.clean(poll));
    assert_eq!((cleaned.refused, cleaned.sent, ring.packets()), (16, 0, 1));
    assert_eq!(ring.stop().map(|skb| skb.len()).collect::<Vec<_>>(), [15]);
    rig.assert_clean();
}
