//! A device that goes astray, and one whose registers come round. Rules D2, D5 and O5.

use super::rig::Host;
use netmem::dma::{DmaDirection, DmaMapping, MapError, PeerError, PeerMemory};
use netmem::mm::{PAGE_SIZE, Zone};
use netmem::netdev::{CompletionError, Hardware, RxRing, TxHardware, TxRing};
use netmem::page_pool::PagePoolParams;
use netmem::skb::Skb;
use netmem::{Frag, Page, PagePool};
use netmem_sim::kit::{generated, wait_for};
use netmem_sim::nic::traffic::{Collect, Next, PayloadSize, Sink, Traffic, TrafficError, loopback};
use netmem_sim::nic::{Hostile, Nic, NicParams, Trick};
use std::sync::Arc;
use std::time::Duration;

/// Memory of a device that says that it is as long as an address space.
struct Endless;

impl PeerMemory for Endless {
    fn len(&self) -> usize {
        usize::MAX
    }
    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), PeerError> {
        Err(PeerError { offset, len: bytes.len() })
    }
}

/// Takes the addresses of a device up to the last 2 MiB, and `more`: pages that are mapped next lie there.
fn use_up(host: &Host, more: usize) -> DmaMapping {
    let step = 1_usize << 31;
    let probe = DmaMapping::new(host.device(), Arc::new(Endless), 0, step).unwrap();
    let next = probe.addr().as_raw() + 2 * step;
    let rest = DmaMapping::new(host.device(), Arc::new(Endless), 0, usize::MAX - (1 << 21) - next + more).unwrap();
    assert_eq!(rest.addr().as_raw(), next);
    rest
}

/// Bytes of pages that nobody posts, at all the addresses that are left.
fn everywhere(pool: &mut PagePool<Page>) -> Vec<Frag<Page>> {
    let mut frags: Vec<_> = std::iter::from_fn(|| pool.alloc_frag(PAGE_SIZE as u32)).collect();
    assert!(frags.len() > 100, "there was room for {} pages", frags.len());
    frags.iter_mut().for_each(|frag| frag.bytes_mut().fill(0x77));
    frags
}

/// Attempt: a device that goes astray, in an address space in which something is mapped everywhere. Holds: the access faults and is counted, and no byte of the pages that were not posted changes.
#[test]
fn a_receive_that_goes_astray_writes_nowhere() {
    // Every page of the last addresses, as a page lies between two mappings.
    for more in [0, PAGE_SIZE] {
        let host = Host::new();
        let mut posted = host.pool();
        let buffers: Vec<_> = (0..8).map(|_| posted.alloc_frag(2048).unwrap()).collect();
        let taken = use_up(&host, more);
        let mut pool = host.pool();
        let pages = everywhere(&mut pool);
        let bytes: Vec<&[u8]> = pages.iter().map(Frag::bytes).collect(); // borrowed to the end

        let hostile = Some(Hostile { every: 1, seed: 0, tricks: vec![Trick::DmaFault] });
        let params = NicParams { hostile, ..NicParams::default() };
        let mut nic = host.nic(params, generated(1, 8, PayloadSize::Fixed(100)));
        let mut ring = RxRing::<_, Page>::new(nic.rx_queue(0).unwrap()).unwrap();
        for buffer in buffers {
            ring.post(buffer, None).unwrap();
        }
        ring.kick();
        for _ in 0..8 {
            let completed = wait_for(&nic, || ring.complete());
            assert!(matches!(completed, Err(CompletionError::Failed { .. })), "{completed:?}");
        }
        assert!(bytes.iter().all(|bytes| bytes.iter().all(|byte| *byte == 0x77)));
        assert_eq!((host.bus.stats().faults, nic.queue_stats(0).unwrap().faults), (8, 8));
        drop(bytes);
        drop((ring, nic, pages, pool, posted, taken));
        assert_eq!(host.bus.stats().mapped(), 0);
    }
}

/// Attempt: the same by a device that sends. Holds: it puts nothing on the cable.
#[test]
fn a_transmit_that_goes_astray_reads_nowhere() {
    for more in [0, PAGE_SIZE] {
        let host = Host::new();
        let sent = Collect::new();
        let tx_hostile = Some(Hostile { every: 1, seed: 0, tricks: vec![Trick::DmaFault] });
        let params = NicParams { tx_hostile, ..NicParams::default() };
        let traffic = Box::new(loopback(1).1);
        let mut nic = Nic::start_duplex(params, host.bus.clone(), traffic, Box::new(sent.clone())).unwrap();
        let own = Zone::new(8).unwrap();
        let mut ring = TxRing::new(nic.tx_queue(0).unwrap(), own.clone()).unwrap();
        ring.send(Skb::copy_from(&[0x11; 60]).unwrap().into_readable().unwrap()).unwrap();
        let taken = use_up(&host, more);
        // The device could read and write them.
        let params = PagePoolParams { direction: DmaDirection::Bidirectional, ..host.params() };
        let mut pool = PagePool::<Page>::new(params, host.pages()).unwrap();
        let secrets = everywhere(&mut pool);
        ring.kick();
        let done = wait_for(&nic, || ring.complete()).unwrap();
        assert!(done.failed && sent.frames().is_empty());
        assert_eq!((host.bus.stats().faults, nic.tx_queue_stats(0).unwrap().faults), (1, 1));
        drop((ring, nic, secrets, pool, taken));
        assert_eq!((host.bus.stats().mapped(), own.free_frames()), (0, 8));
    }
}

/// Attempt: huge mappings that are dropped at once, to use the addresses of a device up. Holds: addresses whose mappings have
/// ended are handed out again, and what is mapped meanwhile keeps its own.
#[test]
fn addresses_are_not_used_up_by_mappings_that_have_ended() {
    let host = Host::new();
    let mut pool = host.pool();
    let kept = pool.alloc().unwrap();
    for round in 0..2000_usize {
        let len = 1 << (20 + round % 43);
        drop(DmaMapping::new(host.device(), Arc::new(Endless), 0, len).expect("all but a few addresses are free"));
        let page = pool.alloc().expect("so is there one for a page");
        assert_ne!(page.dma_addr(), kept.dma_addr());
        pool.recycle_direct(page);
    }
    let refused = DmaMapping::new(host.device(), Arc::new(Endless), 0, usize::MAX).unwrap_err();
    assert_eq!(refused, MapError::NoRoom { len: usize::MAX });
    drop((kept, pool));
    host.all_back();
}

/// Attempt: times and sizes without an end, and a device that its own traffic drops. Holds: nothing overflows, and nobody waits
/// for itself.
#[test]
fn extremes_of_a_device() {
    let host = Host::new();
    let forever = Duration::MAX;
    let nic_params = NicParams { pause: Some(forever), depth: 2, ..NicParams::default() };
    let mut nic = host.nic(nic_params, generated(1, 3, PayloadSize::Fixed(100)));
    let mut pool = host.pool();
    let mut ring = RxRing::<_, Page>::new(nic.rx_queue(0).unwrap()).unwrap();
    // The first frame waits for a buffer.
    for _ in 0..3 {
        ring.post(pool.alloc_frag(2048).unwrap(), None).unwrap();
        ring.kick();
        while ring.posted() != 0 {
            nic.wait(forever);
            if let Some(completed) = ring.complete() {
                pool.recycle_received(completed.unwrap().payload);
            }
        }
    }
    nic.finish().unwrap();
    let (cable, _end) = loopback(usize::MAX);
    drop(cable);

    struct Own(std::sync::mpsc::Receiver<Nic>);
    impl Traffic for Own {
        fn next_frame(&mut self, _frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
            drop(self.0.recv().unwrap());
            Ok(Next::End)
        }
        fn describe(&self) -> String {
            "a trap".into()
        }
    }
    let (give, own) = std::sync::mpsc::channel();
    let eaten = host.nic(NicParams::default(), Box::new(Own(own)));
    give.send(eaten).unwrap();
    while give.send(host.nic(NicParams::default(), Box::new(loopback(1).1))).is_ok() {
        std::thread::yield_now(); // until its traffic is gone, and with it the other end
    }
    drop((ring, nic, pool));
    host.all_back();
}

/// A cable that takes everything.
struct Cable;

impl Sink for Cable {
    fn send(&mut self, _frame: &[u8]) -> Result<(), TrafficError> {
        Ok(())
    }
    fn describe(&self) -> String {
        "a cable".into()
    }
}

/// Attempt: a device that has sent 2^32 packets, and one more that it was not told of. Holds: no completion of the lap before is
/// taken for one of that packet, at any depth.
#[test]
fn a_transmit_ring_completes_nothing_twice_where_its_registers_come_round() {
    for (depth, before) in [(2, 9), (4, 64), (256, 1500), (32768, 65536)] {
        let host = Host::new();
        let params = NicParams { depth, first_position: 0_u32.wrapping_sub(before), ..NicParams::default() };
        let traffic = Box::new(loopback(1).1);
        let mut nic = Nic::start_duplex(params, host.bus.clone(), traffic, Box::new(Cable)).unwrap();
        let mut ring = TxRing::new(nic.tx_queue(0).unwrap(), host.zone.clone()).unwrap();
        let mut idle: Vec<Skb> = (0..depth.min(128)).map(|_| Skb::copy_from(&[1; 60]).unwrap()).collect();
        let (mut left, mut out) = (before, 0);
        while left + out != 0 {
            while let Some(skb) = idle.pop_if(|_| left != 0) {
                ring.send(skb.into_readable().unwrap()).unwrap();
                (left, out) = (left - 1, out + 1);
            }
            ring.kick();
            match ring.complete() {
                Some(sent) => {
                    idle.extend(sent.expect("each completion answers to a packet").load.into_skb());
                    out -= 1;
                }
                None => nic.wait(Duration::from_millis(10)),
            }
        }
        for _ in 0..3 {
            ring.send(idle.pop().or_else(|| Skb::copy_from(&[2; 60])).unwrap().into_readable().unwrap()).unwrap();
            assert!(ring.complete().is_none(), "depth {depth}: the device was not told of it");
            ring.kick();
            while ring.packets() != 0 {
                if ring.complete().is_none() {
                    nic.wait(Duration::from_millis(10));
                }
            }
        }
        drop((ring, nic));
        host.all_back();
    }
}

/// Attempt: a device that has received 2^32 frames. Holds: each frame comes once, whole and in order, at any depth.
#[test]
fn a_receive_ring_goes_on_where_its_registers_come_round() {
    for (depth, before) in [(2, 9), (16, 70), (256, 600)] {
        let host = Host::new();
        let frames = u64::from(2 * before);
        let traffic = || generated(1, frames, PayloadSize::Fixed(100));
        let first_position = 0_u32.wrapping_sub(before);
        let pause = Some(Duration::from_secs(60));
        let mut nic = host.nic(NicParams { depth, first_position, pause, ..NicParams::default() }, traffic());
        let mut pool = host.pool();
        let mut ring = RxRing::<_, Page>::new(nic.rx_queue(0).unwrap()).unwrap();
        let (mut expected, mut wanted) = (traffic(), Vec::new());
        for number in 0..frames {
            while ring.room() != 0 {
                ring.post(pool.alloc_frag(1024).unwrap(), None).unwrap();
            }
            ring.kick();
            let completed = wait_for(&nic, || ring.complete()).unwrap();
            expected.next_frame(&mut wanted).unwrap();
            let frag = pool.sync_for_cpu(completed.payload).unwrap();
            assert_eq!(frag.bytes(), wanted, "depth {depth}, frame {number}");
            pool.recycle_frag(frag);
        }
        assert!(ring.complete().is_none());
        drop((ring, nic, pool));
        host.all_back();
    }
}
