//! The ports of hns3 and gve: their three stages receive the same frames, deliver the same bytes, and lose nothing when
//! things go wrong.

use example::Example;
use netmem::netdev::Hardware;
use netmem_drivers::port::{PortError, PortRing, PortStats};
use netmem_drivers::{gve, hns3};
use netmem_sim::dma::{Bounce, Coherent, DmaBus, Iommu};

use netmem::Page;
use netmem::mm::Zone;
use netmem::netdev::{PostError, RxRing};
use netmem::page_pool::{AnyProvider, PagePool, PagePoolParams};
use netmem::provider::PageProvider;
use netmem::skb::Skb;
use netmem_sim::kit::{self, Account, Frames, Polling, frames_of, wait_for};
use netmem_sim::nic::frame::parse;
use netmem_sim::nic::traffic::{Capture, Generator, PayloadSize, Traffic};
use netmem_sim::nic::{Hostile, Nic, NicParams, Trick};
use std::ops::Deref;
use std::time::Duration;

mod example;

const MAX_FRAME: usize = 100_000;

/// Which driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Hns3,
    Gve,
}

/// Which of its stages, and in the last which memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Page,
    Netmem,
    /// With memory that the CPU cannot read.
    Devmem,
    /// The same code on pages.
    DevmemOnPages,
}

const PORTS: [Port; 2] = [Port::Hns3, Port::Gve];
const STAGES: [Stage; 4] = [Stage::Page, Stage::Netmem, Stage::Devmem, Stage::DevmemOnPages];

/// Each stage of each port.
fn all() -> impl Iterator<Item = (Port, Stage)> {
    PORTS.into_iter().flat_map(|port| STAGES.map(|stage| (port, stage)))
}

fn generator(packets: u64, size: PayloadSize) -> Box<Generator> {
    kit::generated(7, packets, size)
}

fn generated(packets: u64, min: usize, max: usize) -> Vec<Vec<u8>> {
    frames_of(&mut *generator(packets, PayloadSize::Range { min, max }))
}

fn capture() -> Vec<Vec<u8>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/udp.pcap");
    frames_of(&mut Capture::open(file, MAX_FRAME).unwrap())
}

/// A frame of no protocol that is known.
fn unknown(len: usize) -> Vec<u8> {
    let mut frame: Vec<_> = (0..len).map(|i| (i * 7) as u8).collect();
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    frame
}

/// TCP with all options that fit, in IPv4 with all options that fit, in a VLAN: 138 bytes of headers.
fn long_headers() -> Vec<u8> {
    let mut frame = vec![0x5a; 138 + 500];
    frame[12..18].copy_from_slice(&[0x81, 0, 0, 1, 0x08, 0]);
    frame[18..28].copy_from_slice(&[0x4f, 0, (620 >> 8) as u8, 620_u16 as u8, 0, 0, 0, 0, 64, 6]);
    frame[78 + 12] = 0xf0;
    assert_eq!(parse(&frame).header_len, 138);
    frame
}

/// Memory of each kind and a device; at the end all of it must be back.
struct Rig {
    kit: kit::Rig,
    /// For headers: a pool takes pages in bulk, and would leave none for the other.
    heads: Zone,
}

impl Deref for Rig {
    type Target = kit::Rig;
    fn deref(&self) -> &kit::Rig {
        &self.kit
    }
}

impl Rig {
    fn new(bus: impl DmaBus + 'static) -> Self {
        Rig::with(bus, 4096, 1024)
    }

    fn with(bus: impl DmaBus + 'static, frames: usize, niovs: usize) -> Self {
        Rig { kit: kit::Rig::new(bus, frames).with_gpu(niovs), heads: Zone::new(256).unwrap() }
    }

    fn headers(&self) -> PagePool<Page> {
        PagePool::<Page>::new(self.params(), PageProvider::new(self.heads.clone())).unwrap()
    }

    fn ring(&self, port: Port, stage: Stage, nic: &mut Nic) -> Box<dyn PortRing> {
        self.filtered(port, stage, nic, None)
    }

    fn filtered(&self, port: Port, stage: Stage, nic: &mut Nic, filter: Option<gve::Filter>) -> Box<dyn PortRing> {
        let payload = if stage == Stage::Devmem { self.gpu_pool() } else { self.open_pool() };
        match (port, stage) {
            (Port::Hns3, Stage::Page) => Box::new(hns3::page::Ring::new(nic, 0, self.pool()).unwrap()),
            (Port::Hns3, Stage::Netmem) => Box::new(hns3::netmem::Ring::new(nic, 0, payload).unwrap()),
            (Port::Hns3, _) => Box::new(hns3::devmem::Ring::new(nic, 0, payload, self.headers()).unwrap()),
            (Port::Gve, Stage::Page) => {
                Box::new(gve::page::Ring::new(nic, 0, self.pool(), Some(self.headers()), filter).unwrap())
            }
            (Port::Gve, Stage::Netmem) => {
                Box::new(gve::netmem::Ring::new(nic, 0, payload, Some(self.headers()), filter).unwrap())
            }
            (Port::Gve, _) => Box::new(gve::devmem::Ring::new(nic, 0, payload, self.headers(), filter).unwrap()),
        }
    }

    fn nic(&self, params: NicParams, frames: Vec<Vec<u8>>) -> Nic {
        self.traffic(params, Frames::new(frames))
    }

    fn traffic(&self, params: NicParams, traffic: Box<dyn Traffic>) -> Nic {
        self.kit.nic(NicParams { max_frame: MAX_FRAME, ..params }, traffic)
    }

    /// Everything is back.
    fn assert_back(&self, what: &str) {
        let account = self.account();
        assert_eq!(account, Account { faults: account.faults, ..Account::default() }, "{what}");
        assert_eq!(self.heads.free_frames(), self.heads.frames(), "{what}: pages for headers");
    }
}

/// Polls until the traffic is over.
fn receive(ring: &mut dyn PortRing, nic: &Nic, mut each: impl FnMut(Skb) -> Option<Skb>) {
    let mut polling = Polling::new();
    loop {
        let work = ring.poll(16, &mut each);
        if polling.is_over(nic, work != 0) {
            return;
        }
    }
}

/// Receives `frames` and gives what was delivered, how many bytes of it came from device memory, and the counters.
fn deliver(
    rig: &Rig,
    (port, stage): (Port, Stage),
    params: NicParams,
    frames: Vec<Vec<u8>>,
) -> (Vec<Vec<u8>>, usize, PortStats) {
    let mut nic = rig.nic(params, frames);
    let mut ring = rig.ring(port, stage, &mut nic);
    let (mut got, mut device_bytes) = (Vec::new(), 0);
    receive(&mut *ring, &nic, |skb| {
        let len = skb.len();
        let (bytes, device) = rig.gpu().bytes(&skb);
        assert_eq!(bytes.len(), len);
        device_bytes += device;
        got.push(bytes);
        None
    });
    let stats = ring.stats();
    assert_eq!(stats.rx.packets, got.len() as u64);
    ring.stop();
    assert_eq!(ring.in_use(), 0, "{port:?} {stage:?}: what was posted was put");
    drop(ring);
    rig.assert_back(&format!("{port:?} {stage:?}"));
    (got, device_bytes, stats)
}

fn assert_same(what: impl std::fmt::Debug, got: &[Vec<u8>], want: &[Vec<u8>]) {
    assert_eq!(got.len(), want.len(), "{what:?}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(got == want, "{what:?}: frame {i} of {} bytes, {} arrived", want.len(), got.len());
    }
}

#[test]
fn every_stage_delivers_the_same_bytes() {
    let mut frames = capture();
    frames.extend(generated(1500, 16, 5000));
    frames.push(unknown(60));
    // Longer than a header buffer, and of no protocol that the device can verify.
    let others = [unknown(300), unknown(9000)];
    let payload: usize = frames.iter().map(|frame| parse(frame).payload_len).sum();
    for rig in [Rig::new(Bounce::new()), Rig::new(Iommu::new())] {
        for (port, stage) in all() {
            let all = [&frames[..], &others].concat();
            let (got, device, stats) = deliver(&rig, (port, stage), NicParams::default(), all.clone());
            let unsummed = if stage == Stage::Devmem { others.len() } else { 0 };
            assert_same((port, stage), &got, &all[..all.len() - unsummed]);
            assert_eq!(stats.rx.unsummed, unsummed as u64);
            match stage {
                Stage::Devmem => {
                    assert!(device > payload * 9 / 10, "{port:?}: {device} of {payload} bytes are the GPU's");
                    assert_eq!(stats.copied, 0, "{port:?}: nothing is copied that cannot be read");
                }
                Stage::DevmemOnPages | Stage::Page | Stage::Netmem => assert_eq!(device, 0),
            }
            assert_eq!((stats.no_skb, stats.rx.bad_length, stats.rx.failed), (0, 0, 0));
        }
        assert_eq!(rig.bus.stats().faults, 0);
    }
}

#[test]
fn s3_an_unreadable_packet_needs_a_verified_checksum() {
    let mut frames = generated(400, 300, 5000);
    for frame in frames.iter_mut().step_by(4) {
        *frame.last_mut().unwrap() ^= 1;
    }
    let good: Vec<_> = frames.iter().enumerate().filter(|(i, _)| i % 4 != 0).map(|(_, frame)| frame.clone()).collect();
    let rig = Rig::new(Bounce::new());
    for (port, stage) in all() {
        let (got, _, stats) = deliver(&rig, (port, stage), NicParams::default(), frames.clone());
        let (want, unsummed) = if stage == Stage::Devmem { (&good, 100) } else { (&frames, 0) };
        assert_same((port, stage), &got, want);
        assert_eq!(stats.rx.unsummed, unsummed, "{port:?} {stage:?}: what can be read the stack sums for itself");
    }
}

#[test]
fn completions_that_lie_cost_what_they_broke() {
    let frames = generated(4000, 400, 600);
    for (port, stage) in all() {
        let rig = Rig::new(Coherent::new());
        let params = NicParams { hostile: Some(Hostile::every(10)), ..NicParams::default() };
        let (got, _, stats) = deliver(&rig, (port, stage), params, frames.clone());
        let rx = stats.rx;
        assert_eq!((rx.bad_index, rx.not_posted, rx.bad_length), (100, 100, 200), "{port:?} {stage:?}: {stats:?}");
        assert_eq!(got.len(), 3800);
        let mut sent = frames.iter();
        assert!(got.iter().all(|got| sent.any(|sent| sent == got)), "what arrives is whole, and in order");
    }
}

fn faulty(every: u64, trick: Trick) -> NicParams {
    NicParams { hostile: Some(Hostile { every, seed: 11, tricks: vec![trick] }), ..NicParams::default() }
}

#[test]
fn faults_and_runts_lose_their_frame_alone() {
    // Every other frame has several buffers.
    let frames: Vec<_> =
        generated(500, 100, 100).into_iter().zip(generated(500, 5000, 5000)).flat_map(|(a, b)| [a, b]).collect();
    for (port, stage) in all() {
        let rig = Rig::new(Iommu::new());
        let (got, _, stats) = deliver(&rig, (port, stage), faulty(9, Trick::DmaFault), frames.clone());
        assert_eq!((got.len(), stats.rx.failed), (1000 - 111, 111), "{port:?} {stage:?}: {stats:?}");
        let want: Vec<_> =
            frames.iter().enumerate().filter(|(i, _)| i % 9 != 8).map(|(_, frame)| frame.clone()).collect();
        assert_same((port, stage), &got, &want);

        let (got, _, stats) = deliver(&rig, (port, stage), faulty(9, Trick::Runt), frames.clone());
        assert_same((port, stage), &got, &want);
        assert_eq!(stats.rx.too_short, 111);
    }
}

#[test]
fn a_frame_of_too_many_frags_is_dropped_and_the_next_one_is_not() {
    let mut known = generated(2, 600, 700);
    let frames = vec![known.remove(0), unknown(MAX_FRAME), known.remove(0)];
    for (port, stage) in all() {
        let rig = Rig::new(Coherent::new());
        let (got, _, stats) = deliver(&rig, (port, stage), NicParams::default(), frames.clone());
        assert_same((port, stage), &got, &[frames[0].clone(), frames[2].clone()]);
        assert_eq!((stats.rx.too_many_frags, stats.no_skb), (1, 0), "{port:?} {stage:?}");
    }
}

#[test]
fn memory_that_runs_out_comes_back_into_use() {
    let frames = generated(600, 1000, 1400);
    for (port, stage) in all() {
        // 16 buffers: far fewer than descriptors.
        let rig = Rig::with(Coherent::new(), 8, 8);
        let mut nic = rig.nic(NicParams::default(), frames.clone());
        let mut ring = rig.ring(port, stage, &mut nic);
        let (posted, depth) = ring.posted();
        assert_eq!((posted, ring.stats().rx.alloc_failed), (16, 1), "{port:?} {stage:?}: of {depth}");
        let (mut held, mut got) = (Vec::new(), Vec::new());
        loop {
            let over = nic.has_ended();
            let hold = |skb| {
                held.push(skb);
                None
            };
            if ring.poll(16, &mut { hold }) == 0 && !nic.has_completions() {
                // Nothing comes any more: all of the memory is held, or part of a page that is.
                let starved = !held.is_empty();
                got.extend(held.drain(..).map(|skb| rig.gpu().bytes(&skb).0));
                if over && !starved {
                    break;
                }
                if !starved {
                    nic.wait(Duration::from_millis(10));
                }
            }
        }
        assert_same((port, stage), &got, &frames);
        assert!(ring.stats().rx.alloc_failed > 1);
        drop(ring);
        rig.assert_back(&format!("{port:?} {stage:?}"));
    }
}

#[test]
fn a_ring_is_torn_down_while_packets_are_out() {
    for (port, stage) in all() {
        let rig = Rig::new(Iommu::new());
        let traffic = generator(u64::MAX, PayloadSize::Range { min: 300, max: 6000 });
        let sent = generated(40, 300, 6000);
        let mut nic = rig.traffic(NicParams::default(), traffic);
        let mut ring = rig.ring(port, stage, &mut nic);
        let mut held = Vec::new();
        while held.len() < 40 {
            nic.wait(Duration::from_millis(10));
            ring.poll(1, &mut |skb| {
                held.push(skb);
                None
            });
        }
        ring.stop();
        assert_eq!(ring.posted(), (0, 0));
        let pieces: std::collections::BTreeSet<_> =
            held.iter().flat_map(|skb| skb.frags()).map(|frag| frag.borrow().as_raw()).collect();
        assert_eq!(ring.in_use(), pieces.len(), "{port:?} {stage:?}: what is out is what packets have");
        ring.stop();
        assert_eq!(ring.poll(64, &mut |_| panic!("a packet of a ring that is stopped")), 0);
        drop(ring);
        drop(nic);
        let got: Vec<_> = held.iter().map(|skb| rig.gpu().bytes(skb).0).collect();
        assert_same((port, stage), &got, &sent);
        drop(held);
        rig.assert_back(&format!("{port:?} {stage:?}"));
        assert_eq!(rig.bus.stats().faults, 0, "the device was stopped before its memory was unmapped");

        // Not stopped: dropping it does.
        let traffic = generator(u64::MAX, PayloadSize::Fixed(5000));
        let mut nic = rig.traffic(NicParams::default(), traffic);
        let mut ring = rig.ring(port, stage, &mut nic);
        while ring.stats().rx.packets < 10 {
            nic.wait(Duration::from_millis(10));
            ring.poll(3, &mut |_| None);
        }
        drop(ring);
        rig.assert_back(&format!("{port:?} {stage:?}"));
        assert_eq!(rig.bus.stats().faults, 0);
    }
}

#[test]
fn headers_that_cannot_be_read_lose_the_frame() {
    let frames: Vec<_> = (0..20).flat_map(|i| [generated(i + 1, 500, 500).pop().unwrap(), long_headers()]).collect();
    for (port, stage) in all() {
        let rig = Rig::new(Coherent::new());
        let (got, _, stats) = deliver(&rig, (port, stage), NicParams::default(), frames.clone());
        if stage == Stage::Devmem {
            let want: Vec<_> = frames.iter().step_by(2).cloned().collect();
            assert_same((port, stage), &got, &want);
            assert_eq!((stats.unreadable_head, stats.no_skb), (20, 20), "{port:?}");
        } else {
            assert_same((port, stage), &got, &frames);
        }
    }
}

#[test]
fn a_ring_says_why_it_does_not_start() {
    let rig = Rig::new(Coherent::new());
    let other = Rig::new(Coherent::new());
    let mut nic = rig.nic(NicParams::default(), Vec::new());
    let is = |result: Result<(), PortError>, text: &str| {
        let error = result.expect_err(text).to_string();
        assert!(error.contains(text), "{error}");
    };
    let nic = &mut nic;
    for (queue, home, text) in
        [(1, &rig, "no receive queue 1"), (0, &other, "queue 0: a pool is not mapped for this device")]
    {
        is(hns3::page::Ring::new(nic, queue, home.pool()).map(drop), text);
        is(hns3::netmem::Ring::new(nic, queue, home.open_pool()).map(drop), text);
        is(hns3::devmem::Ring::new(nic, queue, home.gpu_pool(), rig.headers()).map(drop), text);
        is(hns3::devmem::Ring::new(nic, queue, rig.gpu_pool(), home.headers()).map(drop), text);
        is(gve::page::Ring::new(nic, queue, home.pool(), None, None).map(drop), text);
        is(gve::page::Ring::new(nic, queue, rig.pool(), Some(home.headers()), None).map(drop), text);
        is(gve::netmem::Ring::new(nic, queue, home.open_pool(), None, None).map(drop), text);
        is(gve::devmem::Ring::new(nic, queue, home.gpu_pool(), rig.headers(), None).map(drop), text);
        is(gve::devmem::Ring::new(nic, queue, rig.gpu_pool(), home.headers(), None).map(drop), text);
    }
    is(hns3::netmem::Ring::new(nic, 0, rig.gpu_pool()).map(drop), "use `devmem`");
    is(gve::netmem::Ring::new(nic, 0, rig.gpu_pool(), None, None).map(drop), "use `devmem`");
    rig.assert_back("nothing started");
    other.assert_back("nothing started");
}

#[test]
fn a_buffer_that_is_copied_from_comes_back_synced_to_its_end() {
    let rig = Rig::new(Bounce::new());
    let mut nic = rig.nic(NicParams::default(), generated(1, 100, 100));
    let (mut pool, other) = (rig.pool(), rig.pool());
    let mut ring = RxRing::<_, Page>::new(nic.rx_queue(0).unwrap()).unwrap();
    let mut buffer = pool.alloc_frag(2048).unwrap();
    // The device never sees these: what it has is synced over them.
    buffer.bytes_mut().fill(0xaa);
    ring.post(buffer, None).unwrap();
    ring.kick();
    let completed = wait_for(&nic, || ring.complete()).unwrap();
    // Another pool does not know the device, reads nothing, and gives the buffer back.
    let refused = other.read_and_reuse(completed.payload, |_| panic!("it was read")).unwrap_err();
    let (buffer, len) = pool.read_and_reuse(refused.back, <[u8]>::len).unwrap();
    assert_eq!((len, buffer.len()), (142, 2048));
    assert!(!buffer.bytes().contains(&0xaa), "what the CPU had written there is old");
    drop((ring, buffer, pool, other));
    rig.assert_back("copied from");
}

#[test]
fn hns3_posts_the_buffer_of_a_short_frame_again() {
    for stage in STAGES {
        let rig = Rig::new(Bounce::new());
        let mut nic = rig.nic(NicParams::default(), generated(2000, 16, 200));
        let mut ring = rig.ring(Port::Hns3, stage, &mut nic);
        let mut got = 0;
        receive(&mut *ring, &nic, |skb| {
            got += 1;
            assert_eq!(skb.nr_frags(), usize::from(stage == Stage::Devmem), "{stage:?}");
            None
        });
        let (payload, headers) = ring.pool_stats();
        let stats = ring.stats();
        assert_eq!(got, 2000);
        if stage == Stage::Devmem {
            assert_eq!((stats.copied, stats.reused), (0, 0));
        } else {
            assert_eq!((stats.copied, stats.reused), (2000, 2000), "{stage:?}: each at once");
            assert_eq!(payload.alloc_fast + payload.alloc_slow, 128, "{stage:?}: 256 halves, and no more: {payload:?}");
        }
        if let Some(headers) = headers {
            assert_eq!(headers.alloc_fast + headers.alloc_slow, 8, "256 header buffers of 128 bytes: {headers:?}");
        }
    }
}

#[test]
fn hns3_uses_a_page_again_while_its_own_reference_is_the_only_one() {
    for stage in STAGES {
        let rig = Rig::new(Bounce::new());
        let frames = generated(3000, 1000, 1900);
        let mut nic = rig.nic(NicParams::default(), frames.clone());
        let mut ring = rig.ring(Port::Hns3, stage, &mut nic);
        let (mut held, mut got) = (std::collections::VecDeque::new(), Vec::new());
        receive(&mut *ring, &nic, |skb| {
            held.push_back(skb);
            if held.len() > 20 {
                // Dropped here, without the pool in hand: as by a socket.
                let skb = held.pop_front().unwrap();
                got.push(rig.gpu().bytes(&skb).0);
            }
            None
        });
        let (payload, _) = ring.pool_stats();
        assert_same(stage, &got, &frames[..frames.len() - 20]);
        assert_eq!(payload.recycle_ring, 0, "{stage:?}: the last reference is the ring's: {payload:?}");
        assert!(payload.recycle_cached > 1000, "{stage:?}: {payload:?}");
        assert!(ring.in_use() < 200, "{stage:?}: of 256 halves and 20 packets: {}", ring.in_use());
        drop((ring, held));
        rig.assert_back("used again");
    }
}

#[test]
fn hns3_looks_at_every_page_before_it_goes_without() {
    for stage in STAGES {
        let rig = Rig::with(Coherent::new(), 16, 16);
        // As many frames as there are halves.
        let mut nic = rig.nic(NicParams::default(), generated(32, 1000, 1900));
        let mut ring = rig.ring(Port::Hns3, stage, &mut nic);
        let mut held = Vec::new();
        receive(&mut *ring, &nic, |skb| {
            held.push(skb);
            None
        });
        assert_eq!((held.len(), ring.posted().0), (32, 0), "{stage:?}: all of it is held");
        // The newest first: it is behind all others.
        for pages in 1..=16 {
            held.truncate(held.len() - 2);
            ring.poll(1, &mut |_| panic!("a packet more"));
            assert_eq!(ring.posted().0, 2 * pages, "{stage:?}");
        }
        drop(ring);
        rig.assert_back("looked at");
    }
}

#[test]
fn gve_shows_a_filter_whole_ethernet_headers_only() {
    let frames: Vec<_> = (0..40).map(|len| vec![len as u8; len]).collect();
    // It reads the type of the frame, as a filter may, and drops every third.
    let careful: gve::Filter = |headers| u16::from_be_bytes([headers[12], headers[13]]) as u8 % 3 == 0;
    for stage in STAGES {
        let rig = Rig::new(Bounce::new());
        let mut nic = rig.nic(NicParams::default(), frames.clone());
        let mut ring = rig.filtered(Port::Gve, stage, &mut nic, Some(careful));
        let mut got = Vec::new();
        receive(&mut *ring, &nic, |skb| {
            got.push(rig.gpu().bytes(&skb).0);
            None
        });
        let want: Vec<_> = frames.iter().filter(|frame| frame.len() >= 14 && frame.len() % 3 != 0).cloned().collect();
        assert_same(stage, &got, &want);
        let stats = ring.stats();
        // A frame of no bytes at all makes no packet.
        let short = stats.rx.too_short + stats.no_skb;
        assert_eq!((short, stats.early_drop), (14, 26 - want.len() as u64), "{stage:?}: {stats:?}");
        drop(ring);
        rig.assert_back(&format!("{stage:?}"));
    }
}

#[test]
fn a_ring_whose_buffers_its_pool_does_not_sync_does_not_start() {
    let short = |rig: &Rig, offset, max_len| PagePoolParams { offset, max_len, ..rig.params() };
    for (offset, max_len) in [(0, 1024), (0, 2048), (64, 4032)] {
        let rig = Rig::new(Coherent::new());
        let params = || short(&rig, offset, max_len);
        let page = || PagePool::<Page>::new(params(), rig.kit.pages()).unwrap();
        let open = || PagePool::new(params(), AnyProvider::from(rig.kit.pages())).unwrap();
        let mut nic = rig.nic(NicParams::default(), Vec::new());
        for error in [
            hns3::page::Ring::new(&mut nic, 0, page()).unwrap_err(),
            hns3::netmem::Ring::new(&mut nic, 0, open()).unwrap_err(),
            hns3::devmem::Ring::new(&mut nic, 0, open(), rig.headers()).unwrap_err(),
            gve::page::Ring::new(&mut nic, 0, page(), Some(rig.headers()), None).unwrap_err(),
            gve::netmem::Ring::new(&mut nic, 0, open(), Some(rig.headers()), None).unwrap_err(),
            gve::devmem::Ring::new(&mut nic, 0, open(), rig.headers(), None).unwrap_err(),
        ] {
            let PortError::Post { queue: 0, reason: PostError::NotSynced { from, to, .. } } = error else {
                panic!("{error}")
            };
            assert_eq!((from, to), (offset, offset + max_len));
        }
        drop(nic);
        rig.assert_back("nothing was started");
    }
}

#[test]
fn gve_recycles_what_a_filter_drops_directly() {
    for stage in STAGES {
        let rig = Rig::new(Bounce::new());
        let mut nic = rig.nic(NicParams::default(), generated(2000, 1000, 3000));
        let odd: gve::Filter = |headers| headers[headers.len().min(42) - 1] % 2 == 1;
        let mut ring = rig.filtered(Port::Gve, stage, &mut nic, Some(odd));
        let want: Vec<_> = generated(2000, 1000, 3000).into_iter().filter(|frame| frame[41] % 2 == 0).collect();
        let mut got = Vec::new();
        receive(&mut *ring, &nic, |skb| {
            got.push(rig.gpu().bytes(&skb).0);
            None
        });
        assert_same(stage, &got, &want);
        assert_eq!(ring.stats().early_drop, 2000 - want.len() as u64);
        assert!(!want.is_empty() && want.len() < 2000);
        drop(ring);

        // With nothing let through, no packet is made, and nothing goes through a ring.
        let mut nic = rig.nic(NicParams::default(), generated(1000, 1000, 1400));
        let mut ring = rig.filtered(Port::Gve, stage, &mut nic, Some(|_| true));
        receive(&mut *ring, &nic, |_| panic!("a packet"));
        let (payload, headers) = ring.pool_stats();
        assert_eq!((ring.stats().early_drop, ring.stats().no_skb), (1000, 0));
        for stats in [Some(payload), headers].into_iter().flatten() {
            assert_eq!((stats.recycle_ring, stats.recycle_ring_full), (0, 0), "{stage:?}: {stats:?}");
            assert!(stats.recycle_cached > 0, "{stage:?}: {stats:?}");
        }
        drop(ring);
        rig.assert_back("filtered");
    }
}

#[test]
fn gve_without_header_split_copies_short_frames_and_hands_up_the_rest() {
    let frames = generated(1000, 16, 3000);
    let short = frames.iter().filter(|frame| frame.len() <= 256).count() as u64;
    let rig = Rig::new(Bounce::new());
    for stage in [Stage::Page, Stage::Netmem] {
        let mut nic = rig.nic(NicParams::default(), frames.clone());
        let mut ring: Box<dyn PortRing> = match stage {
            Stage::Page => Box::new(gve::page::Ring::new(&mut nic, 0, rig.pool(), None, None).unwrap()),
            _ => Box::new(gve::netmem::Ring::new(&mut nic, 0, rig.open_pool(), None, None).unwrap()),
        };
        let mut got = Vec::new();
        receive(&mut *ring, &nic, |skb| {
            assert_eq!(skb.linear().is_empty(), skb.len() > 256, "{stage:?}");
            got.push(rig.gpu().bytes(&skb).0);
            None
        });
        assert_same(stage, &got, &frames);
        assert_eq!(ring.stats().copied, short);
        assert!(short > 20);
        drop(ring);
        rig.assert_back("copied");
    }
}

#[test]
fn a_poll_does_what_its_budget_allows_and_recycles_what_is_not_wanted() {
    for (port, stage) in all() {
        let rig = Rig::new(Coherent::new());
        let mut nic = rig.nic(NicParams::default(), generated(1000, 1000, 1400));
        let mut ring = rig.ring(port, stage, &mut nic);
        while !nic.has_completions() {
            nic.wait(Duration::from_millis(10));
        }
        assert_eq!(ring.poll(0, &mut |_| panic!("a packet of a budget of 0")), 0);
        assert_eq!(ring.poll(1, &mut Some), 1);
        receive(&mut *ring, &nic, Some);
        let (payload, _) = ring.pool_stats();
        assert_eq!(ring.stats().rx.packets, 1000);
        assert_eq!(payload.recycle_ring, 0, "{port:?} {stage:?}: {payload:?}");
        // The page is used again while the pool's reference is the only one.
        assert!(payload.recycle_cached > 300, "{port:?} {stage:?}: {payload:?}");
        drop(ring);
        rig.assert_back(&format!("{port:?} {stage:?}"));
    }
}

/// docs/porting has the diffs between the stages, as a porter reads them. `NETMEM_BLESS=1` writes them anew.
#[test]
fn diffs_are_current() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_default();
    for port in ["hns3", "gve"] {
        for (old, new) in [("page", "netmem"), ("netmem", "devmem")] {
            let file = format!("docs/porting/{port}-{old}-{new}.diff");
            let (old, new) = (format!("drivers/src/{port}/{old}.rs"), format!("drivers/src/{port}/{new}.rs"));
            let (before, after) = (read(&old), read(&new));
            let diff = similar::TextDiff::from_lines(&before, &after);
            let diff = diff.unified_diff().context_radius(3).header(&old, &new).to_string();
            if std::env::var_os("NETMEM_BLESS").is_some() {
                std::fs::create_dir_all(root.join("docs/porting")).unwrap();
                std::fs::write(root.join(&file), &diff).unwrap();
            }
            assert!(
                read(&file) == diff,
                "{file} is not what the sources say: NETMEM_BLESS=1 cargo test --test ports diffs"
            );
        }
    }
}

static EXAMPLES: [Example; 2] = [Example::new("port_hns3"), Example::new("port_gve")];

#[test]
fn the_examples_report_what_each_stage_did() {
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/udp.pcap");
    let mut digests = Vec::new();
    for example in &EXAMPLES {
        for stage in ["page", "netmem", "devmem"] {
            let output = example.run(&["--stage", stage, "--packets", "5000", "--dma", "bounce", "--json"]);
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
            assert!(output.status.success(), "{stage}: {report}");
            let queues = &report["queues"];
            assert_eq!(queues[1]["device_bytes"] != 0, stage == "devmem", "{report}");
            digests.push([queues[0]["digest"].clone(), queues[1]["digest"].clone()]);
            let output = example.run(&[&format!("--stage={stage}"), "--pcap", capture]);
            assert!(output.status.success(), "{stage}: {output:?}");
            assert!(String::from_utf8_lossy(&output.stdout).contains("every byte is right, nothing leaked"));
        }
        example.fails(&["--packets", "500", "--dma", "bounce-without-sync"], 1, "on queue 0 are wrong");
        for (args, text) in [
            (&["--stage", "niov"][..], "use page, netmem or devmem"),
            (&["--stage"], "--stage needs a value"),
            (&["--provider", "huge"], "for `receive`"),
            (&["--tap"], "for `receive`"),
            (&["--pcap", "no-such-file"], "cannot open no-such-file"),
            (&["--stage", "devmem", "--niov-size", "5000"], "use a power of two from 4096"),
            (&["--stage", "devmem", "--device-memory", "8", "--size", "9000"], "queue 1 had too few buffers"),
        ] {
            example.fails(args, 2, text);
        }
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "the same traffic arrives the same: {digests:?}");
}
