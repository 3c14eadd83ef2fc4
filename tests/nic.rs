//! Driver and NIC model together: bad input, memory that runs out, and stopping in the middle. Rules D4, D5 and O3
//! where they are checked at run time.

use netmem::dma::{DmaDevice, DmaMapping, DmaQueue, RxCompletion, RxDescriptor};
use netmem::netdev::{CompletionError, Hardware, PostError, RxMemory, RxRing, XdpBuff, XdpReceiveError};
use netmem::page_pool::{AnyProvider, Chunk, DmabufError, PagePool, PagePoolParams, PoolKind, Received, SyncError};
use netmem::provider::DmabufProvider;
use netmem::skb::{FrameError, HeadError, IpSummed, ReadError, Skb};
use netmem::{Backing, Frag, NetIov, Page};
use netmem_drivers::{Driver, DriverError, Polled, QueueConfig, RxStats};
use netmem_sim::Memfd;
use netmem_sim::dma::{Bounce, Coherent, DmaBus, Iommu};
use netmem_sim::kit::{FLOW, Frames, Gate, Polling, Rig, Vram, generated, udp, wait_for};
use netmem_sim::nic::frame::checksum_ok;
use netmem_sim::nic::traffic::{Generator, GeneratorParams, PayloadSize};
use netmem_sim::nic::{Hostile, Nic, NicError, NicParams, NicQueue, Trick};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PORT: u16 = FLOW.dst_port;

/// UDP frames to [`PORT`] with these payloads.
fn frames(payloads: impl IntoIterator<Item = Vec<u8>>) -> Box<Frames> {
    Frames::new(payloads.into_iter().map(|payload| udp(&payload)).collect::<Vec<_>>())
}

/// Frames whose last byte is not the one that was summed.
fn damaged(payloads: impl IntoIterator<Item = Vec<u8>>) -> impl Iterator<Item = Vec<u8>> {
    payloads.into_iter().map(|payload| {
        let mut frame = udp(&payload);
        *frame.last_mut().unwrap() ^= 1;
        frame
    })
}

/// Traffic that never ends.
fn endless() -> Box<Generator> {
    generated(3, u64::MAX, PayloadSize::Range { min: 64, max: 4000 })
}

fn payloads(count: usize, len: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(move |i| (0..len).map(|k| (i + 7 * k) as u8).collect())
}

fn rig_on(bus: impl DmaBus + 'static) -> Rig {
    Rig::new(bus, 4096)
}

/// A queue with pages for whole frames.
fn host(rig: &Rig) -> QueueConfig {
    QueueConfig::new(rig.whole_frames())
}

/// A queue with net_iovs for payload, and pages for headers.
fn device(rig: &Rig) -> QueueConfig {
    QueueConfig::new(rig.split_off(rig.gpu_pool()))
}

/// Polls until the traffic is over.
fn receive(driver: &mut Driver<Nic>, each: impl FnMut(Skb) -> Option<Skb>) {
    receive_by(64, driver, each);
}

/// Polls with this budget until the traffic is over.
fn receive_by(budget: u32, driver: &mut Driver<Nic>, mut each: impl FnMut(Skb) -> Option<Skb>) {
    let mut polling = Polling::new();
    loop {
        let Polled { work, .. } = driver.poll(budget, &mut each);
        if polling.is_over(driver.hardware(), work != 0) {
            return;
        }
    }
}

#[test]
fn payload_in_device_memory_and_headers_in_host_memory() {
    let rig = rig_on(Bounce::new()).with_gpu(64);
    let config = device(&rig);
    let nic = rig.nic(NicParams::default(), frames(payloads(200, 1000)));
    let mut driver = Driver::new(nic, vec![config]).unwrap();
    let mut seen = 0;
    let view = &rig.gpu().view;
    receive(&mut driver, |mut skb| {
        // D4: the headers can be read and written, the payload cannot.
        assert!(!skb.frags_readable());
        assert_eq!((skb.linear().len(), skb.data_len(), skb.truesize()), (42, 1000, 256 + 2048));
        skb.linear_mut()[0] ^= 0xff;
        assert!(skb.checksum(0, 42).is_ok());
        let unreadable = ReadError::Unreadable { frag: 0, start: 42, end: 1042 };
        assert_eq!(skb.copy_bits(40, &mut [0; 4]), Err(unreadable));
        assert_eq!(skb.checksum(0, 43), Err(unreadable));
        assert!(skb.frags().all(|frag| frag.bytes().is_none() && frag.page().is_none()));
        let mut payload = Vec::new();
        for frag in skb.take_frags() {
            let netmem::skb::SkbFrag::Pool(frag) = frag else { panic!("mm's") };
            let Backing::NetIov(frag) = frag.backing() else { panic!("a page") };
            let start = payload.len();
            payload.resize(start + frag.len() as usize, 0);
            view.read(frag.memory_offset(), &mut payload[start..]).unwrap();
        }
        assert!(payload.iter().enumerate().all(|(k, &byte)| byte == (seen + 7 * k) as u8), "packet {seen}");
        seen += 1;
        Some(skb)
    });
    assert_eq!(seen, 200);
    drop(driver);
    rig.assert_clean();
}

#[test]
fn frames_over_several_buffers_are_put_together() {
    let rig = rig_on(Iommu::new()).with_gpu(256);
    let (host, device) = (host(&rig), device(&rig));
    for config in [host, device] {
        let nic = rig.nic(NicParams::default(), frames(payloads(100, 8000)));
        let mut driver = Driver::new(nic, vec![config]).unwrap();
        let mut packets = 0;
        receive(&mut driver, |skb| {
            assert_eq!(skb.len(), 8042);
            assert!(skb.nr_frags() <= 4, "buffers that touch are one frag: {}", skb.nr_frags());
            packets += 1;
            None
        });
        assert_eq!(packets, 100);
    }
    rig.assert_clean();
}

#[test]
fn a_hostile_device_is_refused_and_counted() {
    let rig = rig_on(Coherent::new()).with_gpu(512);
    for config in [host(&rig), device(&rig)] {
        let params = NicParams { hostile: Some(Hostile::every(10)), ..NicParams::default() };
        let nic = rig.nic(params, frames(payloads(4000, 500)));
        let mut driver = Driver::new(nic, vec![config]).unwrap();
        let mut packets = 0;
        receive(&mut driver, |_| {
            packets += 1;
            None
        });
        // 400 tricks: each way a quarter of them. Two of them cost a frame.
        let stats = driver.stats(0).unwrap();
        let RxStats { bad_index, not_posted, bad_length, .. } = stats;
        assert_eq!((bad_index, not_posted, bad_length), (100, 100, 200), "{stats:?}");
        assert_eq!((packets, stats.packets), (3800, 3800));
        assert_eq!(driver.napi().memory(0).unwrap().payload().stats().recycle_ring_full, 0);
    }
    rig.assert_clean();
}

fn faulty(every: u64, tricks: &[Trick]) -> NicParams {
    NicParams { hostile: Some(Hostile { every, seed: 11, tricks: tricks.to_vec() }), ..NicParams::default() }
}

#[test]
fn a_frame_that_is_cut_off_is_dropped() {
    let rig = rig_on(Bounce::new()).with_gpu(512);
    for config in [host(&rig), device(&rig)] {
        let nic = rig.nic(faulty(10, &[Trick::Runt]), frames(payloads(1000, 500)));
        let mut driver = Driver::new(nic, vec![config]).unwrap();
        let mut packets = 0;
        receive(&mut driver, |skb| {
            assert_eq!(skb.len(), 542);
            packets += 1;
            None
        });
        assert_eq!((packets, driver.stats(0).unwrap().too_short), (900, 100));
        assert_eq!(driver.hardware().queue_stats(0).unwrap().frames, 1000, "the device did not notice");
    }
    rig.assert_clean();
}

#[test]
fn the_device_checks_and_its_word_is_in_the_skb() {
    use IpSummed::{None as Unknown, Unnecessary};
    let rig = rig_on(Coherent::new()).with_gpu(64);
    let config = [host(&rig), host(&rig), host(&rig), host(&rig), device(&rig), device(&rig)];
    let lies = faulty(1, &[Trick::Checksum]);
    let truth = NicParams::default();
    let unchecked = NicParams { checksums: false, ..NicParams::default() };
    // Parameters of the device, whether the frames are damaged, and what comes of it.
    let cases = [
        (&truth, false, (Unnecessary, Some(true))),
        (&truth, true, (Unknown, Some(false))),
        (&unchecked, false, (Unknown, Some(true))),
        // Whoever believes it takes what is damaged, and whoever looks does not.
        (&lies, true, (Unnecessary, Some(false))),
        // Of device memory there is nothing but the device's word.
        (&truth, false, (Unnecessary, None)),
        (&lies, true, (Unnecessary, None)),
    ];
    for (config, (params, is_damaged, want)) in config.into_iter().zip(cases) {
        let payloads = payloads(40, 500);
        let frames: Vec<_> =
            if is_damaged { damaged(payloads).collect() } else { payloads.map(|payload| udp(&payload)).collect() };
        let nic = rig.nic(params.clone(), Frames::new(frames));
        let mut driver = Driver::new(nic, vec![config]).unwrap();
        let mut packets = 0;
        receive(&mut driver, |skb| {
            let mut frame = vec![0; skb.len()];
            let read = skb.copy_bits(0, &mut frame);
            assert_eq!((skb.ip_summed(), read.ok().and_then(|()| checksum_ok(&frame))), want);
            packets += 1;
            None
        });
        assert_eq!(packets, 40, "a checksum is nothing to drop a packet for: the stack looks for itself");
    }
    rig.assert_clean();
}

#[test]
fn s3_an_unreadable_packet_needs_a_verified_checksum() {
    let rig = rig_on(Bounce::new()).with_gpu(512);
    let unchecked = NicParams { checksums: false, ..NicParams::default() };
    let lies = faulty(1, &[Trick::Checksum]);
    for (params, len) in [(NicParams::default(), 500), (NicParams::default(), 5000), (unchecked, 500), (lies, 500)] {
        // Wrong checksums, from the network or from the device, or none.
        let all_wrong = params.hostile.is_some() || !params.checksums;
        let bad = damaged(payloads(20, len)).collect::<Vec<_>>();
        let good = payloads(20, len).map(|payload| udp(&payload));
        let frames = if all_wrong {
            good.collect()
        } else {
            bad.into_iter().zip(good).flat_map(|(a, b)| [a, b]).collect::<Vec<_>>()
        };
        let count = frames.len() as u64;
        let nic = rig.nic(params, Frames::new(frames));
        let mut driver = Driver::new(nic, vec![device(&rig)]).unwrap();
        let mut packets = 0;
        receive(&mut driver, |skb| {
            assert!(skb.is_deliverable() && !skb.frags_readable());
            packets += 1;
            Some(skb)
        });
        let stats = driver.stats(0).unwrap();
        assert_eq!((packets, stats.packets), (count - stats.unsummed, count - stats.unsummed));
        assert_eq!(stats.unsummed, 20, "of {count} frames with {len} bytes");
        assert!(stats.drops().contains(&("checksum not verified", 20)));
    }
    // A frame that the header buffer holds whole can be read, and needs nobody's word.
    let nic = rig.nic(NicParams { checksums: false, ..NicParams::default() }, Frames::new(vec![vec![7; 60]; 5]));
    let mut driver = Driver::new(nic, vec![device(&rig)]).unwrap();
    receive(&mut driver, |_| None);
    assert_eq!((driver.stats(0).unwrap().packets, driver.stats(0).unwrap().unsummed), (5, 0));
    drop(driver);
    rig.assert_clean();
}

#[test]
fn a_dma_fault_loses_the_frame_alone() {
    let rig = rig_on(Iommu::new()).with_gpu(512);
    for config in [host(&rig), device(&rig)] {
        let nic = rig.nic(faulty(10, &[Trick::DmaFault]), frames(payloads(1000, 500)));
        let mut driver = Driver::new(nic, vec![config]).unwrap();
        let mut packets = 0;
        receive(&mut driver, |_| {
            packets += 1;
            None
        });
        assert_eq!((packets, driver.stats(0).unwrap().failed), (900, 100));
        assert_eq!(driver.hardware().queue_stats(0).unwrap().faults, 100);
    }
    assert_eq!(rig.bus.stats().faults, 200);
    rig.assert_back();
}

#[test]
fn a_ring_that_is_overrun_gives_nothing_twice() {
    let rig = rig_on(Iommu::new()).with_gpu(512);
    for config in [host(&rig), device(&rig)] {
        let params = NicParams { depth: 16, ..faulty(3, &[Trick::Overrun, Trick::Twice]) };
        let nic = rig.nic(params, frames(payloads(3000, 500)));
        let mut driver = Driver::new(nic, vec![config]).unwrap();
        let mut packets = 0;
        // A small budget, so that descriptors are posted again before their ids are heard of once more.
        receive_by(1, &mut driver, |_| {
            packets += 1;
            None
        });
        let stats = driver.stats(0).unwrap();
        assert_eq!((packets, stats.not_posted), (3000, 1000), "{stats:?}");
    }
    rig.assert_clean();
}

#[test]
fn a_device_that_is_taken_out_can_be_stopped() {
    let rig = rig_on(Iommu::new()).with_gpu(512);
    for (config, after) in [(host(&rig), 1), (host(&rig), 40), (device(&rig), 100)] {
        // Frames of several buffers, so that it goes in the middle of one.
        let nic = rig.nic(faulty(after, &[Trick::Remove]), endless());
        let mut driver = Driver::new(nic, vec![config]).unwrap();
        let mut packets = 0;
        receive(&mut driver, |_| {
            packets += 1;
            None
        });
        assert!(driver.hardware().is_gone());
        assert_eq!(packets, after - 1, "what was complete is there, and no more");
        assert!(driver.posted(0).unwrap().0 > 0, "the rest of the buffers is out");
        assert_eq!(driver.poll(64, |_| panic!("a packet of a device that is gone")).work, 0);
        assert_eq!(driver.hardware().finish().map_err(|error| error.to_string()), Ok(()));
        let mut again = driver.hardware().rx_queue(0).expect("the registers are dead, and do not say so");
        again.kick();
        drop(again);
        drop(driver.stop());
    }
    rig.assert_clean();
}

/// No interrupt comes for a queue without buffers. So the poll says that there are too few, until memory has returned.
#[test]
fn a_queue_without_memory_says_so() {
    // The longest frame takes one buffer of 2 KiB, or three.
    for (max_frame, needed) in [(1522, 1), (5000, 3)] {
        let rig = rig_on(Coherent::new()).with_gpu(4);
        let params = NicParams { max_frame, ..NicParams::default() };
        let nic = rig.nic(params, frames(payloads(40, 1000)));
        let mut driver = Driver::new(nic, vec![device(&rig)]).unwrap();
        assert!(!driver.is_starved(0) && !driver.is_starved(1));
        let mut held = Vec::new();
        loop {
            let Polled { starved, .. } = driver.poll(1, |skb| {
                held.push(skb);
                None
            });
            let posted = driver.posted(0).unwrap().0;
            assert_eq!(
                (starved, driver.is_starved(0)),
                (posted < needed, posted < needed),
                "{posted} buffers are posted"
            );
            if posted == 0 {
                break;
            }
            driver.hardware().wait(Duration::from_millis(10));
        }
        assert_eq!(held.len(), 8, "as many as there are buffers");
        assert_eq!(driver.poll(64, |_| panic!("a packet without a buffer")), Polled { work: 0, starved: true });
        held.clear();
        assert_eq!(driver.poll(64, |_| panic!("nothing was posted yet")), Polled { work: 0, starved: false });
        receive(&mut driver, Some);
        assert_eq!(driver.stats(0).unwrap().packets, 40);
        drop(driver);
        rig.assert_clean();
    }
}

#[test]
fn device_memory_that_is_used_up_comes_back_into_use() {
    let rig = rig_on(Coherent::new()).with_gpu(4);
    // Four net_iovs, eight buffers: far fewer than descriptors.
    let config = device(&rig);
    let nic = rig.nic(NicParams::default(), frames(payloads(500, 1500)));
    let mut driver = Driver::new(nic, vec![config]).unwrap();
    assert_eq!(driver.posted(0), Some((8, 256)), "the ring is as full as can be");
    assert_eq!(driver.stats(0).unwrap().alloc_failed, 1);
    let (mut held, mut packets) = (Vec::new(), 0);
    receive(&mut driver, |skb| {
        packets += 1;
        held.push(skb);
        if held.len() == 8 {
            held.clear()
        }
        None
    });
    assert_eq!(packets, 500);
    drop((driver, held));
    rig.assert_clean();
}

#[test]
fn without_flow_control_frames_are_dropped_and_counted() {
    let rig = rig_on(Coherent::new()).with_gpu(4);
    let config = device(&rig);
    let params = NicParams { pause: None, ..NicParams::default() };
    let nic = rig.nic(params, frames(payloads(1000, 1500)));
    let mut driver = Driver::new(nic, vec![config]).unwrap();
    let mut held = Vec::new();
    receive(&mut driver, |skb| {
        held.push(skb);
        None
    });
    let stats = driver.hardware().queue_stats(0).unwrap();
    assert!(held.len() <= 8, "no more than there are buffers: {}", held.len());
    assert_eq!(stats.no_buffer + held.len() as u64, 1000);
    drop((driver, held));
    rig.assert_clean();
}

#[test]
fn a_frame_for_which_there_never_is_enough_memory_is_dropped() {
    let rig = rig_on(Coherent::new()).with_gpu(2);
    // Two net_iovs: a frame of 9000 bytes needs three.
    let config = device(&rig);
    let params = NicParams { pause: Some(Duration::from_millis(1)), ..NicParams::default() };
    let (open, traffic) = Gate::new(frames([vec![1; 9000], vec![2; 100]]));
    let nic = rig.nic(params, traffic);
    let mut driver = Driver::new(nic, vec![config]).unwrap();
    open.send(()).unwrap();
    let mut lens = Vec::new();
    receive(&mut driver, |skb| {
        lens.push(skb.len());
        None
    });
    assert_eq!((lens, driver.hardware().queue_stats(0).unwrap().no_buffer), (vec![142], 1));
    drop(driver);
    rig.assert_clean();
}

#[test]
fn a_frame_that_no_ring_can_hold_is_dropped() {
    let rig = rig_on(Coherent::new());
    let config = host(&rig);
    let params = NicParams { depth: 2, ..NicParams::default() };
    let nic = rig.nic(params, frames([vec![1; 5000], vec![2; 100]]));
    let mut driver = Driver::new(nic, vec![config]).unwrap();
    let mut lens = Vec::new();
    receive(&mut driver, |skb| {
        lens.push(skb.len());
        None
    });
    assert_eq!(lens, [142]);
    assert_eq!(driver.hardware().queue_stats(0).unwrap().no_buffer, 1);
    drop(driver);
    rig.assert_clean();
}

#[test]
fn more_buffers_than_frags_lose_the_frame_alone() {
    let rig = rig_on(Coherent::new());
    let mut config = host(&rig);
    // Buffers of 64 bytes that never touch: a page holds 64 of them, so let another size lie between.
    config.buffer_size = 65;
    let nic = rig.nic(NicParams::default(), frames([vec![1; 3000], vec![2; 100]]));
    let mut driver = Driver::new(nic, vec![config]).unwrap();
    let mut lens = Vec::new();
    receive(&mut driver, |skb| {
        lens.push(skb.len());
        None
    });
    assert_eq!((lens, driver.stats(0).unwrap().too_many_frags), (vec![142], 1));
    drop(driver);
    rig.assert_clean();
}

#[test]
fn d5_dropping_a_running_driver_stops_the_device_first() {
    for _ in 0..20 {
        let rig = rig_on(Iommu::new()).with_gpu(128);
        let (host, device) = (host(&rig), device(&rig));
        let params = NicParams { queues: 2, steering: vec![(PORT, 1)], ..NicParams::default() };
        let nic = rig.nic(params, endless());
        let mut driver = Driver::new(nic, vec![host, device]).unwrap();
        let mut out = Vec::new();
        while out.len() < 50 {
            let _ = driver.poll(8, |skb| {
                out.push(skb);
                None
            });
        }
        drop(driver);
        drop(out);
        rig.assert_clean();
    }
}

#[test]
fn d5_a_stopped_ring_gives_its_buffers_back() {
    let rig = rig_on(Iommu::new());
    let mut nic = rig.nic(NicParams { depth: 8, ..NicParams::default() }, endless());
    let mut pool = rig.pool();
    let mut ring = RxRing::<_, Page>::new(nic.rx_queue(0).unwrap()).unwrap();
    for _ in 0..8 {
        ring.post(pool.alloc_frag(2048).unwrap(), None).unwrap();
    }
    let full = ring.post(pool.alloc_frag(2048).unwrap(), None).unwrap_err();
    assert_eq!((full.reason, ring.room(), full.back.payload.len()), (PostError::Full, 0, 2048));
    ring.kick();
    let back: Vec<_> = ring.stop().collect();
    assert_eq!(back.len(), 8);
    drop((back, full, nic));
    assert_eq!(pool.in_use(), 0);
    drop(pool);
    rig.assert_clean();
}

/// A ring with `count` buffers of `pool` posted.
fn ring_with(nic: &mut Nic, queue: usize, pool: &mut PagePool<Page>, count: usize) -> RxRing<NicQueue, Page> {
    let mut ring = RxRing::new(nic.rx_queue(queue).unwrap()).unwrap();
    for _ in 0..count {
        ring.post(pool.alloc_frag(2048).unwrap(), None).unwrap();
    }
    ring.kick();
    ring
}

/// The payloads of the next `count` frames, in order; `Err` with what came when none comes for ten seconds.
fn next_payloads(
    nic: &Nic,
    ring: &mut RxRing<NicQueue, Page>,
    pool: &mut PagePool<Page>,
    count: usize,
) -> Result<Vec<Vec<u8>>, Vec<Vec<u8>>> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut payloads = Vec::new();
    while payloads.len() < count {
        match ring.complete() {
            Some(completed) => {
                let frag = pool.sync_for_cpu(completed.unwrap().payload).unwrap();
                payloads.push(frag.bytes()[42..].to_vec());
            }
            None if Instant::now() > deadline => return Err(payloads),
            None => nic.wait(Duration::from_millis(10)),
        }
    }
    Ok(payloads)
}

#[test]
fn a_queue_is_restarted_and_no_frame_is_lost() {
    let rig = rig_on(Iommu::new());
    let sent: Vec<_> = payloads(64, 700).collect();
    let mut nic = rig.nic(NicParams { depth: 8, ..NicParams::default() }, frames(sent.clone()));
    let mut pool = rig.pool();
    let mut seen = Vec::new();
    let mut ring = ring_with(&mut nic, 0, &mut pool, 4);
    while seen.len() < 64 {
        seen.extend(next_payloads(&nic, &mut ring, &mut pool, 4).unwrap());
        assert!(!nic.has_ended() || seen.len() == 64, "the engine waits for the queue to be started again");
        // Alternately: the new one posted before the old one is stopped, and after.
        if seen.len() % 8 == 0 {
            let next = ring_with(&mut nic, 0, &mut pool, 4);
            assert!(nic.rx_queue(0).is_none(), "two generations live, and no third");
            assert_eq!(core::mem::replace(&mut ring, next).stop().count(), 0);
        } else {
            assert_eq!(ring.stop().count(), 0);
            ring = ring_with(&mut nic, 0, &mut pool, 4);
        }
    }
    assert_eq!(seen, sent);
    assert_eq!((nic.queue_stats(0).unwrap().frames, nic.queue_stats(0).unwrap().no_buffer), (64, 0));
    drop((ring, nic, pool));
    rig.assert_clean();
}

#[test]
fn a_generation_that_is_dropped_unused_changes_nothing() {
    let rig = rig_on(Iommu::new());
    let sent: Vec<_> = payloads(6, 300).collect();
    let mut nic = rig.nic(NicParams { depth: 8, ..NicParams::default() }, frames(sent.clone()));
    let mut pool = rig.pool();
    let mut ring = ring_with(&mut nic, 0, &mut pool, 4);
    let unused = ring_with(&mut nic, 0, &mut pool, 8);
    assert_eq!(unused.stop().count(), 8, "what was posted to it comes back, untouched");
    drop(nic.rx_queue(0).expect("room for a second one again"));
    let mut seen = next_payloads(&nic, &mut ring, &mut pool, 4).unwrap();
    for _ in 0..2 {
        ring.post(pool.alloc_frag(2048).unwrap(), None).unwrap();
    }
    ring.kick();
    seen.extend(next_payloads(&nic, &mut ring, &mut pool, 2).unwrap());
    assert_eq!(seen, sent);
    drop((ring, nic, pool));
    rig.assert_clean();
}

#[test]
fn other_queues_receive_while_one_is_stopped() {
    let rig = rig_on(Iommu::new());
    let size = PayloadSize::Fixed(200);
    let params = GeneratorParams { seed: 3, packets: 400, size, ports: vec![PORT, PORT + 1] };
    let (open, traffic) = Gate::new(Box::new(Generator::new(params, 1514).unwrap()));
    let params = NicParams {
        queues: 2,
        depth: 512,
        steering: vec![(PORT, 0), (PORT + 1, 1)],
        pause: Some(Duration::from_millis(1)),
        default_queue: None,
        ..NicParams::default()
    };
    let mut nic = rig.nic(params, traffic);
    let mut pool = rig.pool();
    let stopped = ring_with(&mut nic, 0, &mut pool, 100);
    let mut ring = ring_with(&mut nic, 1, &mut pool, 400);
    assert_eq!(stopped.stop().count(), 100);
    open.send(()).unwrap();
    wait_for(&nic, || nic.has_ended().then_some(()));
    let mut seen = 0;
    while let Some(completed) = ring.complete() {
        completed.unwrap();
        seen += 1;
    }
    let (first, second) = (nic.queue_stats(0).unwrap(), nic.queue_stats(1).unwrap());
    assert_eq!((first.frames, second.frames, second.no_buffer), (0, seen, 0));
    assert_eq!(first.no_buffer + seen, 400);
    assert!(seen > 100, "about half of the frames are for the queue that runs: {seen}");
    drop((ring, nic, pool));
    rig.assert_clean();
}

#[test]
fn queues_are_restarted_under_traffic_many_times() {
    let rig = rig_on(Iommu::new());
    let mut nic = rig.nic(NicParams { depth: 16, ..NicParams::default() }, endless());
    // Each generation has a pool of its own. It goes when the generation has stopped, and unmaps what was posted: the
    // IOMMU counts a fault for each byte that is written later.
    let mut old: Option<(RxRing<NicQueue, Page>, PagePool<Page>)> = None;
    for round in 0..300 {
        if round % 2 == 0 {
            drop(old.take());
        }
        let mut pool = rig.pool();
        let mut ring = ring_with(&mut nic, 0, &mut pool, 4 + round % 13);
        drop(old.take());
        // It has taken over.
        if round % 5 != 0 {
            let first = next_payloads(&nic, &mut ring, &mut pool, 1).unwrap();
            assert_eq!(first.len(), 1);
        }
        old = Some((ring, pool));
    }
    drop((old, nic));
    rig.assert_clean();
}

#[test]
fn a_queue_that_is_started_after_the_end_stops_at_once() {
    let rig = rig_on(Iommu::new());
    let mut nic = rig.nic(NicParams::default(), frames([]));
    let mut pool = rig.pool();
    let before = ring_with(&mut nic, 0, &mut pool, 3);
    wait_for(&nic, || nic.has_ended().then_some(()));
    let after = ring_with(&mut nic, 0, &mut pool, 5);
    assert_eq!((before.stop().count(), after.stop().count()), (3, 5));
    drop((nic, pool));
    rig.assert_clean();
}

#[test]
fn n3_a_poll_without_budget_receives_nothing() {
    let rig = rig_on(Coherent::new());
    let config = host(&rig);
    let nic = rig.nic(NicParams::default(), frames(payloads(10, 100)));
    let mut driver = Driver::new(nic, vec![config]).unwrap();
    let posted = driver.stats(0).unwrap().posted;
    while !driver.hardware().has_completions() {
        driver.hardware().wait(Duration::from_millis(10));
    }
    assert_eq!(driver.poll(0, |_| panic!("a packet without budget")).work, 0);
    assert_eq!(driver.stats(0).unwrap().posted, posted, "and nothing is refilled");
    let mut packets = 0;
    receive(&mut driver, |_| {
        packets += 1;
        None
    });
    assert_eq!(packets, 10);
}

/// A queue of no device, which reports a descriptor that does not exist, for ever.
struct Nonsense(Arc<dyn netmem::dma::DmaDevice>);

// SAFETY: there is no device that could touch anything.
unsafe impl netmem::dma::DmaQueue for Nonsense {
    fn device(&self) -> &Arc<dyn netmem::dma::DmaDevice> {
        &self.0
    }
    fn depth(&self) -> usize {
        16
    }
    fn post(&mut self, _descriptor: netmem::dma::RxDescriptor) {}
    fn kick(&mut self) {}
    fn complete(&mut self) -> Option<netmem::dma::RxCompletion> {
        Some(netmem::dma::RxCompletion { id: 0xffff, ..Default::default() })
    }
    fn stop(&mut self) {}
}

struct NonsenseHardware(Option<Nonsense>);

impl Hardware for NonsenseHardware {
    type Queue = Nonsense;
    type Rx = netmem::PageOrIov;
    fn rx_queue(&mut self, _index: usize) -> Option<Nonsense> {
        self.0.take()
    }
}

#[test]
fn nonsense_uses_up_the_budget() {
    let rig = rig_on(Coherent::new());
    let hardware = NonsenseHardware(Some(Nonsense(rig.device())));
    let mut driver = Driver::new(hardware, vec![host(&rig)]).unwrap();
    let before = driver.stats(0).unwrap().bad_index;
    assert_eq!(driver.poll(64, |_| panic!("a packet")).work, 64);
    assert_eq!(driver.stats(0).unwrap().bad_index, before + 64);
    drop(driver);
    rig.assert_clean();
}

#[test]
fn an_early_drop_is_recycled_directly() {
    let rig = rig_on(Coherent::new()).with_gpu(512);
    let config = device(&rig);
    let nic = rig.nic(NicParams::default(), frames(payloads(300, 1000)));
    let mut driver = Driver::new(nic, vec![config]).unwrap();
    receive(&mut driver, Some);
    let memory = driver.napi().memory(0).unwrap();
    assert_eq!(memory.payload().stats().recycle_ring, 0, "nothing went through the ring");
    assert_eq!(memory.headers().unwrap().stats().recycle_ring, 0);
    drop(driver);
    rig.assert_clean();
}

#[test]
fn d5_what_the_device_has_stays_mapped_until_it_comes_back() {
    let rig = rig_on(Iommu::new());
    let mut nic = rig.nic(NicParams { depth: 4, ..NicParams::default() }, frames(payloads(3, 500)));
    let mut pool = rig.pool();
    let mut ring = RxRing::<_, Page>::new(nic.rx_queue(0).unwrap()).unwrap();
    for _ in 0..3 {
        ring.post(pool.alloc_frag(4096).unwrap(), None).unwrap();
    }
    let (late, kept) = (pool.alloc_frag(4096).unwrap(), pool.alloc_frag(4096).unwrap());
    // The pool goes before the device has written a byte, and the device writes all the same.
    drop(pool);
    assert_eq!(rig.bus.stats().mapped(), 5);
    assert_eq!(ring.post(late, None).unwrap_err().reason, PostError::NotMapped, "nothing new of a pool that is gone");
    ring.kick();
    let mut back = Vec::new();
    while back.len() < 3 {
        match ring.complete() {
            Some(completed) => back.push(completed.unwrap()),
            None => nic.wait(Duration::from_millis(10)),
        }
        if (1..3).contains(&back.len()) {
            assert_ne!(rig.bus.stats().mapped(), 0, "the device has more");
        }
    }
    assert_eq!((nic.queue_stats(0).unwrap().faults, rig.bus.stats().faults), (0, 0));
    assert_eq!(rig.bus.stats().mapped(), 0, "the device has nothing more, so the pool's last mappings have ended");
    drop((ring, nic, kept));
    assert_eq!(rig.zone.frames() - rig.zone.free_frames(), 3);
    drop(back);
    rig.assert_clean();
}

#[test]
fn d5_two_rings_and_a_header_pool_hold_what_each_has() {
    let rig = rig_on(Iommu::new());
    let mut nic = rig.nic(NicParams { queues: 2, depth: 4, ..NicParams::default() }, endless());
    let mut pools = [0; 2].map(|_| rig.pool());
    let mut rings = [0, 1].map(|queue| RxRing::<_, Page>::new(nic.rx_queue(queue).unwrap()).unwrap());
    for ring in &mut rings {
        let [payload, header] = pools.each_mut().map(|pool| pool.alloc_frag(4096).unwrap());
        ring.post(payload, Some(header)).unwrap();
        // And one that has the pools the other way round, and one of a single pool.
        let [header, payload] = pools.each_mut().map(|pool| pool.alloc_frag(4096).unwrap());
        ring.post(payload, Some(header)).unwrap();
        ring.post(pools[0].alloc_frag(4096).unwrap(), None).unwrap();
    }
    let [first, second] = pools;
    drop(first);
    assert_eq!(rig.bus.stats().mapped(), 6 + 4 + 60, "what the rings have of the first, and all that the second has");
    drop(second);
    assert_eq!(rig.bus.stats().mapped(), 6 + 4);
    let [first, second] = rings;
    drop(first.stop().collect::<Vec<_>>());
    assert_eq!(rig.bus.stats().mapped(), 3 + 2);
    drop(nic);
    assert_eq!(rig.bus.stats().mapped(), 3 + 2, "the device is gone, and its ring says not so yet");
    drop(second);
    rig.assert_clean();
}

#[test]
fn d5_the_first_descriptor_of_a_ring_holds_both_its_pools() {
    let rig = rig_on(Iommu::new());
    let mut nic = rig.nic(NicParams { depth: 4, ..NicParams::default() }, endless());
    let [mut payloads, mut headers] = [0; 2].map(|_| rig.pool());
    let mut ring = RxRing::<_, Page>::new(nic.rx_queue(0).unwrap()).unwrap();
    ring.post(payloads.alloc_frag(4096).unwrap(), Some(headers.alloc_frag(4096).unwrap())).unwrap();
    drop((payloads, headers));
    assert_eq!(rig.bus.stats().mapped(), 2, "the device has a buffer of each");
    drop((ring, nic));
    rig.assert_clean();
}

#[test]
fn d5_a_buffer_lies_within_what_its_pool_syncs() {
    let rig = rig_on(Bounce::new());
    let mut nic = rig.nic(NicParams { depth: 8, ..NicParams::default() }, endless());
    let mut ring = RxRing::<_, Page>::new(nic.rx_queue(0).unwrap()).unwrap();
    let params = PagePoolParams { offset: 64, max_len: 1000, ..rig.params() };
    let mut pool = PagePool::<Page>::new(params, rig.pages()).unwrap();
    let mut refused = |mut frag: Frag<Page>, start, len, headroom| {
        frag.narrow(start, len).unwrap();
        ring.post_behind(frag, headroom, None).err().map(|error| (error.reason, error.back.payload.len()))
    };
    let not_synced = |start, end| PostError::NotSynced { start, end, from: 64, to: 1064 };
    for (start, len, headroom, reason) in [
        (64, 1000, 0, None),
        (0, 1064, 64, None),
        (100, 1, 0, None),
        (63, 1000, 0, Some((not_synced(63, 1063), 1000))),
        (64, 1001, 0, Some((not_synced(64, 1065), 1001))),
        (0, 2048, 64, Some((not_synced(64, 2048), 2048))),
        (0, 1064, 63, Some((not_synced(63, 1064), 1064))),
        (2048, 10, 0, Some((not_synced(2048, 2058), 10))),
        (0, 64, 64, Some((PostError::Headroom { headroom: 64, len: 64 }, 64))),
    ] {
        assert_eq!(refused(pool.alloc_frag(4096).unwrap(), start, len, headroom), reason);
    }
    let second_half =
        [pool.alloc_frag(2048).unwrap(), pool.alloc_frag(2048).unwrap()].map(|frag| ring.post(frag, None));
    assert!(second_half.iter().all(Result::is_err), "neither half of a page fits");
    assert_eq!(ring.posted(), 3);
    drop((second_half, ring, pool));

    // A driver whose buffers do not fit does not start, and says why.
    let params = PagePoolParams { max_len: 1000, ..rig.params() };
    let payload = PagePool::new(params, AnyProvider::from(rig.pages())).unwrap();
    let error = Driver::new(nic, vec![QueueConfig::new(RxMemory::new(payload, None))]).unwrap_err();
    let reason = PostError::NotSynced { start: 0, end: 2048, from: 0, to: 1000 };
    assert_eq!(error, DriverError::Post { queue: 0, reason });
    assert!(error.to_string().contains("max_len"), "{error}");
    rig.assert_clean();
}

#[test]
fn a_length_of_headers_beyond_16_bits_is_as_wrong_as_any() {
    let rig = rig_on(Bounce::new());
    let hostile = Some(Hostile { every: 1, seed: 5, tricks: vec![Trick::HeaderLength] });
    let mut nic = rig.nic(NicParams { depth: 4, hostile, ..NicParams::default() }, frames(payloads(2, 100)));
    let order = 5;
    let params = PagePoolParams { order, max_len: 4096 << order, ..rig.params() };
    let mut pool = PagePool::<Page>::new(params, rig.pages()).unwrap();
    let mut ring = RxRing::<_, Page>::new(nic.rx_queue(0).unwrap()).unwrap();
    for _ in 0..2 {
        ring.post(pool.alloc_frag(2048).unwrap(), Some(pool.alloc_frag(70_000).unwrap())).unwrap();
    }
    ring.kick();
    for _ in 0..2 {
        let completed = wait_for(&nic, || ring.complete());
        let Err(CompletionError::HeaderLength { len, posted: 70_000, .. }) = completed else { panic!("{completed:?}") };
        assert!(len > 70_000);
    }
    drop((ring, nic, pool));
    rig.assert_clean();
}

#[test]
fn d2_a_stopped_ring_gives_no_byte_that_was_not_synced() {
    let rig = rig_on(Bounce::new());
    let mut nic = rig.nic(NicParams { depth: 4, ..NicParams::default() }, frames(payloads(2, 500)));
    let mut pool = rig.pool();
    let mut ring = RxRing::<_, Page>::new(nic.rx_queue(0).unwrap()).unwrap();
    for headroom in [0, 256, 0] {
        ring.post_behind(pool.alloc_frag(2048).unwrap(), headroom, None).unwrap();
    }
    ring.kick();
    while nic.queue_stats(0).unwrap().frames != 2 {
        nic.wait(Duration::from_millis(10));
    }
    // The device has written two of them, and the driver has read no completion.
    let back: Vec<_> = ring.stop().collect();
    assert_eq!(back.iter().map(|(payload, _)| payload.len()).collect::<Vec<_>>(), [0, 0, 0]);
    let mut back = back.into_iter().map(|(payload, _)| payload);
    let seen = pool.sync_for_cpu(back.next().unwrap()).unwrap();
    assert!(seen.bytes().is_empty(), "it has received nothing");
    pool.recycle_received(back.next().unwrap());
    // Unseen it can be posted again, with the room that it had.
    let mut ring = RxRing::<_, Page>::new(nic.rx_queue(0).unwrap()).unwrap();
    ring.repost(back.next().unwrap(), None).unwrap();
    assert_eq!(ring.posted(), 1);
    ring.halt();
    let mut other = RxRing::<_, Page>::new(nic.rx_queue(0).unwrap()).unwrap();
    let again = ring.stop().next().unwrap().0;
    other.halt();
    assert_eq!(other.repost(again, None), Err(PostError::Halted), "it is back in its pool");
    drop((seen, other, nic));
    assert_eq!(pool.in_use(), 0);
    drop(pool);
    rig.assert_clean();
}

#[test]
fn o5_a_ring_takes_what_is_mapped_for_its_device() {
    // Two devices that start at the same addresses: to the one the other's buffer is somebody else's memory.
    let (rig, other) = (rig_on(Iommu::new()), rig_on(Iommu::new()));
    let mut nic = rig.nic(NicParams::default(), endless());
    let mut ring = RxRing::<_, Page>::new(nic.rx_queue(0).unwrap()).unwrap();
    let mut mine = rig.pool();
    let mut others = other.pool();
    let mut unmapped = PagePool::<Page>::new(PagePoolParams::default(), rig.pages()).unwrap();
    let (good, foreign) = (mine.alloc_frag(2048).unwrap(), others.alloc_frag(2048).unwrap());
    assert_eq!(good.dma_addr(), foreign.dma_addr(), "the same number");
    let refused = ring.post(foreign, None).unwrap_err();
    assert_eq!(refused.reason, PostError::NotMapped);
    let refused = ring.post(good, Some(refused.back.payload)).unwrap_err();
    assert_eq!(refused.reason, PostError::NotMapped, "the header buffer is looked at, too");
    assert_eq!(ring.post(unmapped.alloc_frag(64).unwrap(), None).unwrap_err().reason, PostError::NotMapped);
    let late = mine.alloc_frag(2048).unwrap();
    drop(mine);
    assert_eq!(ring.post(late, None).unwrap_err().reason, PostError::NotMapped, "its pool is gone");
    assert_eq!(ring.posted(), 0);
}

#[test]
fn no_address_reaches_two_things() {
    for rig in [rig_on(Coherent::new()), rig_on(Bounce::new()), rig_on(Iommu::new())] {
        let device = rig.device();
        let map = |len| DmaMapping::new(device.clone(), Arc::new(Vram(usize::MAX)), 0, len);
        let first = map(4096).unwrap();
        for len in [usize::MAX, 0_usize.wrapping_sub(12288), usize::MAX / 2 + 1] {
            if let Ok(large) = map(len) {
                assert!(large.addr().as_raw().checked_add(len).is_some() && large.addr() != first.addr());
            }
        }
        if let Ok(again) = map(4096) {
            assert_ne!(again.addr(), first.addr());
        }
    }
    // Frame numbers are never used twice, and must not come to where a coherent device has its peers.
    let rig = rig_on(Coherent::new());
    let device = rig.device();
    let peer = DmaMapping::new(device, Arc::new(Vram(4096)), 0, 4096).unwrap();
    let page = rig.zone.alloc(0).unwrap();
    assert!(netmem::mm::page_to_pfn(page.page()) < peer.addr().as_raw() >> 12);
    assert_eq!(peer.addr().as_raw(), 1 << 52, "above every physical address");
}

#[test]
fn bad_parameters_are_refused_with_a_reason() {
    let rig = rig_on(Coherent::new());
    let nic = |params| Nic::start(params, rig.bus.clone(), endless()).map(drop).unwrap_err();
    assert!(matches!(nic(NicParams { queues: 0, ..Default::default() }), NicError::Queues { queues: 0 }));
    assert!(matches!(nic(NicParams { queues: 65, ..Default::default() }), NicError::Queues { queues: 65 }));
    for depth in [0, 1, 3, 65536] {
        assert!(matches!(nic(NicParams { depth, ..Default::default() }), NicError::Depth { .. }));
    }
    let steering = vec![(PORT, 1)];
    assert!(nic(NicParams { steering, ..Default::default() }).to_string().contains("steered to queue 1"));

    let start = |config| {
        let nic = Nic::start(NicParams::default(), rig.bus.clone(), endless()).unwrap();
        Driver::new(nic, config).map(drop).unwrap_err()
    };
    assert_eq!(start(vec![host(&rig), host(&rig)]), DriverError::NoQueue { queue: 1 });
    assert_eq!(start(vec![host(&rig_on(Coherent::new()))]), DriverError::OtherDevice { queue: 0 });
    for buffer_size in [0, 63, 4097] {
        let error = start(vec![QueueConfig { buffer_size, ..host(&rig) }]);
        assert_eq!(error, DriverError::BufferSize { queue: 0, what: "payload", size: buffer_size, max: 4096 });
    }

    let gpu = Memfd::new("gpu", 64 << 10).unwrap();
    let bind = |chunks: &[(usize, usize)], size| {
        let chunks: Vec<_> = chunks.iter().map(|&(offset, len)| Chunk { offset, len }).collect();
        DmabufProvider::bind(rig.device(), gpu.clone(), &chunks, size).map(drop).unwrap_err()
    };
    assert_eq!(bind(&[], 4096), DmabufError::Empty);
    for (chunks, size, text) in [
        (&[(0, 4096), (4096, 65904)][..], 4096, "chunk 1: cannot map 65904 bytes at offset 4096"),
        (&[(0, 4096), (4096, 7904)][..], 4096, "chunk 1: 7904 bytes"),
        (&[(0, 32768)][..], 65536, "do not divide into net_iovs of 65536"),
        (&[(0, 4096)][..], 2048, "net_iovs of 2048 bytes are not possible"),
        (&[(0, 4096)][..], 5000, "net_iovs of 5000 bytes are not possible"),
        (&[(0, 0)][..], 4096, "chunk 0: cannot map 0 bytes"),
        (&[(4096, 8192), (0, 4096), (8192, 4096)][..], 4096, "chunk 2 shares bytes with chunk 0"),
    ] {
        let error = bind(chunks, size).to_string();
        assert!(error.contains(text), "{error:?} does not say {text:?}");
    }
    assert!(Memfd::new("gpu", 5000).unwrap_err().to_string().contains("5000"));
    rig.assert_clean();
}

/// A queue that completes each buffer at once, with so many bytes in it, and touches none.
struct Echo {
    device: Arc<dyn DmaDevice>,
    len: u32,
    posted: VecDeque<u32>,
}

// SAFETY: this device never touches a buffer.
unsafe impl DmaQueue for Echo {
    fn device(&self) -> &Arc<dyn DmaDevice> {
        &self.device
    }
    fn depth(&self) -> usize {
        4
    }
    fn post(&mut self, descriptor: RxDescriptor) {
        self.posted.push_back(descriptor.id());
    }
    fn kick(&mut self) {}
    fn complete(&mut self) -> Option<RxCompletion> {
        let id = self.posted.pop_front()?;
        Some(RxCompletion { id, payload_len: self.len, end_of_frame: true, ..Default::default() })
    }
    fn stop(&mut self) {}
}

/// One buffer of a pool, received with `len` bytes behind headroom.
fn received<K: PoolKind>(pool: &mut PagePool<K>, device: &Arc<dyn DmaDevice>, len: u32) -> Received<K> {
    let mut ring = RxRing::new(Echo { device: device.clone(), len, posted: VecDeque::new() }).unwrap();
    ring.post_behind(pool.alloc_frag(2048).unwrap(), XdpBuff::HEADROOM, None).unwrap();
    ring.complete().unwrap().unwrap().payload
}

#[test]
fn d2_a_packet_around_a_buffer_has_what_was_received() {
    let rig = rig_on(Bounce::new());
    let (device, mut pool, mut other) = (rig.device(), rig.pool(), rig.pool());
    let syncs = rig.bus.stats().syncs_for_cpu;
    let buffer = received(&mut pool, &device, 100);
    assert_eq!((buffer.len(), buffer.truesize()), (100, 2048));
    let mut skb = Skb::receive_head(&pool, buffer).unwrap();
    assert_eq!(rig.bus.stats().syncs_for_cpu, syncs + 1, "the pool has synced it");
    assert_eq!((skb.linear().len(), skb.linear_mut().len(), skb.len()), (100, 100, 100), "and no byte behind");
    assert_eq!(skb.truesize(), 2048, "all of the buffer is used");
    // What a frag costs is what the driver says, not what it has.
    for (len, truesize) in [(10, 2048), (300, 512)] {
        skb.add_rx_frag(pool.alloc_frag(len).unwrap(), truesize).unwrap();
    }
    assert_eq!((skb.data_len(), skb.truesize()), (310, 2048 + 2048 + 512));
    drop(skb.take_frags());
    assert_eq!((skb.len(), skb.truesize()), (100, 2048));
    // Of another pool: it comes back as it was, and its own pool takes it.
    let buffer = received(&mut other, &device, 100);
    let refused = Skb::receive_head(&pool, buffer).unwrap_err();
    assert!(matches!(refused.reason, HeadError::Sync(SyncError::OtherPool { .. })), "{refused}");
    assert_eq!((refused.back.len(), refused.reason.errno(), other.in_use()), (100, 22, 1));
    other.recycle_received(refused.back);
    skb.recycle_into(&mut pool);
    // Whole pages: what is of the pool goes into its cache, and the rest returns to its own.
    let whole = |pool: &mut PagePool<Page>| pool.alloc().unwrap().into_frag().unwrap();
    let mut skb = Skb::build(whole(&mut pool));
    skb.add_rx_frag(whole(&mut pool), 4096).unwrap();
    skb.add_rx_frag(whole(&mut other), 4096).unwrap();
    let cached = (pool.stats().recycle_cached, other.stats().recycle_cached);
    skb.recycle_into(&mut pool);
    assert_eq!((pool.in_use(), other.in_use()), (0, 0));
    assert_eq!((pool.stats().recycle_cached, other.stats().recycle_cached), (cached.0 + 2, cached.1));
    drop((pool, other));
    rig.assert_clean();
}

#[test]
fn d1_a_packet_for_a_program_is_made_of_what_a_pool_of_any_kind_received() {
    let rig = rig_on(Bounce::new()).with_gpu(16);
    let (device, mut pages, mut open) = (rig.device(), rig.pool(), rig.open_pool());
    let mut iovs = PagePool::<NetIov>::new(rig.params(), rig.gpu().dmabuf.clone()).unwrap();

    let syncs = rig.bus.stats().syncs_for_cpu;
    let buffer = received(&mut pages, &device, 100);
    let buff = XdpBuff::receive(&pages, buffer).unwrap();
    assert_eq!((buff.len(), buff.headroom(), buff.tailroom()), (100, XdpBuff::HEADROOM, 2048 - 256 - 100));
    let buffer = received(&mut open, &device, 100);
    assert_eq!(XdpBuff::receive(&open, buffer).unwrap().len(), 100);
    assert_eq!(rig.bus.stats().syncs_for_cpu, syncs + 2, "the pool has synced both");

    // Of another pool: it comes back as it was, and its own pool takes it.
    let buffer = received(&mut open, &device, 100);
    let refused = XdpBuff::receive(&pages, buffer).unwrap_err();
    assert!(matches!(refused.reason, XdpReceiveError::Sync(SyncError::OtherPool { .. })), "{refused}");
    assert_eq!(refused.back.len(), 100);
    open.recycle_received(refused.back);
    // Less than an Ethernet header, and device memory: they come back as they were, and are not synced.
    let syncs = rig.bus.stats().syncs_for_cpu;
    let buffer = received(&mut pages, &device, 13);
    let refused = XdpBuff::receive(&pages, buffer).unwrap_err();
    assert_eq!((refused.reason, refused.reason.errno()), (XdpReceiveError::TooShort(FrameError { len: 13 }), 22));
    assert_eq!((refused.back.len(), refused.to_string().contains("13 bytes")), (13, true));
    drop((buff, refused));
    let buffer = received(&mut iovs, &device, 100);
    let refused = XdpBuff::receive(&iovs, buffer).unwrap_err();
    assert_eq!((refused.reason, rig.bus.stats().syncs_for_cpu), (XdpReceiveError::Unreadable, syncs));
    let frag: Frag = Frag::from(iovs.sync_for_cpu(refused.back).unwrap());
    assert_eq!((frag.len(), frag.bytes()), (100, None));
    drop(frag);
    assert_eq!((pages.in_use(), open.in_use(), iovs.in_use()), (0, 0, 0));
}
