//! Binding memory to queues while they run: rule P3 where it is checked at run time, and what is left afterwards.

use netmem::mm::Zone;
use netmem::netdev::{
    self, BindError, BindOptions, Capabilities, ConfigError, Hardware, HeaderSplit, NetDevice, PostError, QueueError,
    QueueMgmt, RestartError, RxMemory, RxQueueConfig, UnbindError, UnreadableRx, Verdict, Xdp, XdpBuff,
};
use netmem::page_pool::{AnyProvider, Chunk, PagePool, PagePoolParams, PoolError};
use netmem::provider::PageProvider;
use netmem::skb::Skb;
use netmem::{PageOrIov, Refused};
use netmem_drivers::{Driver, DriverError, Polled, QueueConfig, ReadableOnly, XdpError};
use netmem_sim::dma::{Bounce, DmaBus, Iommu};
use netmem_sim::kit::{self, Altered, Frames, Gate, Gpu, Polling, Rng, panics};
use netmem_sim::nic::frame::{parse, udp_checksum_ok};
use netmem_sim::nic::traffic::{Expect, Generator, GeneratorParams, PayloadSize};
use netmem_sim::nic::{Nic, NicParams, NicQueue};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const PORTS: [u16; 2] = [5001, 5002];
const SEED: u64 = 11;
const SMALL: PayloadSize = PayloadSize::Range { min: 64, max: 400 };

/// Memory of each kind and a device, and how large packets are.
struct Rig {
    kit: kit::Rig,
    size: PayloadSize,
}

impl Deref for Rig {
    type Target = kit::Rig;
    fn deref(&self) -> &kit::Rig {
        &self.kit
    }
}

impl Rig {
    fn new(bus: impl DmaBus + 'static, size: PayloadSize) -> Self {
        Rig { kit: kit::Rig::new(bus, 8192).with_gpu(1024), size }
    }

    fn small() -> Self {
        Rig::new(Iommu::new(), SMALL)
    }

    fn any(&self) -> AnyProvider {
        AnyProvider::from(self.gpu().dmabuf.clone())
    }

    /// Pages, with headers split off or not.
    fn queue(&self, split: bool) -> QueueConfig {
        let memory = if split { self.split_off(self.open_pool()) } else { self.whole_frames() };
        QueueConfig::new(memory)
    }

    fn nic(&self, packets: u64) -> Nic {
        let params = GeneratorParams { seed: SEED, packets, size: self.size, ports: PORTS.to_vec() };
        let traffic = Generator::new(params, 9216).unwrap();
        let longest = match self.size {
            PayloadSize::Fixed(len) | PayloadSize::Range { max: len, .. } => len,
        };
        let params = NicParams {
            queues: 2,
            max_frame: (longest + 42).max(2048),
            depth: 32,
            steering: vec![(PORTS[0], 0), (PORTS[1], 1)],
            default_queue: None,
            ..NicParams::default()
        };
        self.kit.nic(params, Box::new(traffic))
    }

    /// Queue 0 receives whole frames, queue 1 splits headers off.
    fn driver(&self, packets: u64) -> Driver<Nic> {
        Driver::new(self.nic(packets), vec![self.queue(false), self.queue(true)]).unwrap()
    }

    fn oracle(&self) -> Oracle<'_> {
        Oracle { size: self.size, next: [0; 2], gpu: self.gpu(), device_bytes: 0 }
    }

    fn assert_clean(self) {
        self.kit.assert_clean();
    }
}

/// Knows what was sent.
struct Oracle<'a> {
    size: PayloadSize,
    next: [u64; 2],
    gpu: &'a Gpu,
    device_bytes: u64,
}

impl Oracle<'_> {
    /// Each packet is the next one of its queue: none was lost.
    fn arrived(&mut self, skb: &Skb, payload: &[u8]) -> u64 {
        let next = &mut self.next[usize::from(skb.queue())];
        assert_eq!(Expect::sequence(payload), Some(*next), "queue {}", skb.queue());
        *next += 1;
        *next - 1
    }

    fn check(&mut self, skb: &Skb, arriving: bool) {
        let (frame, device) = self.gpu.bytes(skb);
        self.device_bytes += device as u64;
        let parsed = parse(&frame);
        let (headers, payload) = frame.split_at(parsed.header_len);
        let port = PORTS[usize::from(skb.queue())];
        assert_eq!(parsed.dst_port, Some(port));
        let seq = if arriving { self.arrived(skb, payload) } else { Expect::sequence(payload).unwrap() };
        Expect::new(SEED, port, seq, self.size).check(payload).unwrap();
        assert_ne!(udp_checksum_ok(headers, payload), Some(false));
    }
}

/// Polls until `done`, or a packet is wrong, or nothing comes for long.
fn receive(driver: &mut Driver<impl Hardware + Waits>, oracle: &mut Oracle, kept: &mut Vec<Skb>, packets: [u64; 2]) {
    let goal = [oracle.next[0] + packets[0], oracle.next[1] + packets[1]];
    let deadline = Instant::now() + Duration::from_secs(20);
    while oracle.next[0] < goal[0] || oracle.next[1] < goal[1] {
        let Polled { work, .. } = driver.poll(16, |skb| {
            oracle.check(&skb, true);
            kept.push(skb);
            None
        });
        if work == 0 {
            assert!(Instant::now() < deadline, "nothing comes: {:?} of {goal:?}", oracle.next);
            driver.hardware().wait();
        }
    }
}

trait Waits {
    fn wait(&self);
}

impl Waits for Nic {
    fn wait(&self) {
        Nic::wait(self, Duration::from_millis(5));
    }
}

impl Waits for ReadableOnly<Nic> {
    fn wait(&self) {
        self.0.wait(Duration::from_millis(5));
    }
}

/// 1,000 times: bind, receive, unbind, receive; packets are kept across, and released in any order.
fn rebinds(bus: impl DmaBus + 'static) {
    let rig = Rig::new(bus, SMALL);
    let mut driver = rig.driver(u64::MAX);
    let (mut oracle, mut rng, mut kept) = (rig.oracle(), Rng::new(SEED), Vec::new());
    let provider = rig.any();
    for round in 0..1000 {
        let binding = driver.bind(1, provider.clone(), BindOptions::default()).unwrap();
        assert!(driver.net_device().is_unreadable(1) && binding.is_bound());
        // What arrived before and during is delivered first; the third is of the new memory at the latest now and then.
        receive(&mut driver, &mut oracle, &mut kept, [1, 1 + rng.below(3) as u64]);
        if round % 2 == 0 {
            driver.unbind(binding).unwrap();
        } else {
            drop(binding); // the next poll unbinds it
            receive(&mut driver, &mut oracle, &mut kept, [1, 0]);
        }
        assert!(driver.net_device().bound(1).is_none());
        receive(&mut driver, &mut oracle, &mut kept, [0, rng.below(2) as u64]);
        while kept.len() > 100 || rng.below(3) != 0 && !kept.is_empty() {
            let skb = kept.swap_remove(rng.below(kept.len()));
            oracle.check(&skb, false);
        }
    }
    assert!(oracle.device_bytes > 100_000, "device memory was received into: {}", oracle.device_bytes);
    assert_eq!(driver.hardware().queue_stats(0).unwrap().no_buffer, 0);
    assert_eq!(driver.hardware().queue_stats(1).unwrap().no_buffer, 0);
    for queue in 0..2 {
        assert!(driver.stats(queue).unwrap().drops().iter().all(|(_, count)| *count == 0));
    }
    // The device goes first, packets later: they are as they were.
    drop((driver, provider));
    for skb in kept {
        oracle.check(&skb, false);
    }
    rig.assert_clean();
}

#[test]
fn a_thousand_rebinds_lose_nothing_bounce() {
    rebinds(Bounce::new());
}

#[test]
fn a_thousand_rebinds_lose_nothing_iommu() {
    rebinds(Iommu::new());
}

/// Binds to queue 1, which must be refused.
fn refused<D: QueueMgmt<Rx: UnreadableRx>>(device: &mut D, rig: &Rig, queue: usize) -> BindError {
    let error = netdev::bind(device, queue, rig.any(), BindOptions::default()).unwrap_err();
    assert!(error.back.is_unreadable(), "it comes back");
    error.reason
}

#[test]
fn p3_each_condition_has_its_reason() {
    let rig = Rig::small();
    let mut driver = rig.driver(u64::MAX);
    assert_eq!(refused(&mut driver, &rig, 2), BindError::QueueRange { queue: 2, queues: 2 });
    assert_eq!(refused(&mut driver, &rig, 0), BindError::HeaderSplitOff { queue: 0 });

    let net = driver.net_device_mut();
    net.set_header_split(1, HeaderSplit::On { threshold: 200 }).unwrap();
    assert_eq!(refused(&mut driver, &rig, 1), BindError::HdsThreshold { queue: 1, threshold: 200 });
    driver.net_device_mut().set_header_split(1, HeaderSplit::On { threshold: 0 }).unwrap();

    driver.net_device_mut().set_xdp(true).unwrap();
    assert_eq!(refused(&mut driver, &rig, 1), BindError::XdpAttached);
    driver.net_device_mut().set_xdp(false).unwrap();

    driver.net_device_mut().set_af_xdp(1, true).unwrap();
    assert_eq!(refused(&mut driver, &rig, 1), BindError::AfXdp { queue: 1 });
    driver.net_device_mut().set_af_xdp(1, false).unwrap();

    // A size that the provider does not have is the provider's to refuse.
    let error = driver.bind(1, rig.any(), BindOptions { rx_page_size: 8192 }).unwrap_err();
    let BindError::Restart(RestartError::Alloc(QueueError::Pool { queue: 1, reason: PoolError::Provider(_) })) =
        error.reason
    else {
        panic!("{error:?}")
    };
    drop(error.back);

    let binding = driver.bind(1, rig.any(), BindOptions::default()).unwrap();
    assert_eq!(refused(&mut driver, &rig, 1), BindError::AlreadyBound { queue: 1 });
    // The other way round: settings that exclude a binding are refused while there is one.
    let (bound, split) = (ConfigError::Bound { queue: 1 }, ConfigError::NeedsSplit { queue: 1 });
    let net = driver.net_device_mut();
    assert_eq!(net.set_xdp(true), Err(bound));
    assert_eq!(net.set_af_xdp(1, true), Err(bound));
    assert_eq!(net.set_header_split(1, HeaderSplit::Off), Err(split));
    assert_eq!(net.set_header_split(1, HeaderSplit::On { threshold: 1 }), Err(split));
    assert_eq!(driver.attach_xdp(Some(Xdp::new(Verdict::Pass))).unwrap_err().to_string(), {
        "queue 1 splits headers off, and a program sees packets in one piece: use queues without header split"
    });

    // Going away ends it, and refuses the next.
    driver.unregister();
    assert!(!binding.is_bound());
    assert_eq!(refused(&mut driver, &rig, 1), BindError::GoingAway);
    driver.unbind(binding).unwrap();
    drop(driver);
    rig.assert_clean();
}

/// A NIC with other abilities.
struct Limited {
    nic: Nic,
    capabilities: Capabilities,
    gone: bool,
}

impl Hardware for Limited {
    type Queue = NicQueue;
    type Rx = PageOrIov;

    fn rx_queue(&mut self, index: usize) -> Option<NicQueue> {
        self.nic.rx_queue(index)
    }

    fn is_gone(&self) -> bool {
        self.gone
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }
}

#[test]
fn p3_the_device_says_what_it_can() {
    let rig = Rig::small();
    let able = Capabilities::default();
    let start = |capabilities| {
        let hardware = Limited { nic: rig.nic(u64::MAX), capabilities, gone: false };
        Driver::new(hardware, vec![rig.queue(false), rig.queue(true)])
    };
    let mut old = start(Capabilities { queue_restart: false, ..able }).unwrap();
    assert_eq!(refused(&mut old, &rig, 1), BindError::NoQueueRestart);
    let mut one_size = start(Capabilities { rx_page_size: false, ..able }).unwrap();
    let error = one_size.bind(1, rig.any(), BindOptions { rx_page_size: 8192 }).unwrap_err();
    assert_eq!(error.reason, BindError::NoRxPageSize { size: 8192 });
    drop(error.back);
    let whole = start(Capabilities { header_split: false, ..able });
    assert_eq!(whole.unwrap_err(), DriverError::NoHeaderSplit { queue: 1 });
    // Taken out of the machine: nothing can be bound any more, and it can be stopped.
    one_size.hardware().gone = true;
    assert_eq!(refused(&mut one_size, &rig, 1), BindError::GoingAway);
    drop(one_size.stop());
    drop(old);

    // Larger buffers, where device and provider have them.
    let large = Gpu::of_chunks(rig.device(), &[Chunk { offset: 0, len: 64 << 20 }], 1 << 16);
    let mut driver = rig.driver(u64::MAX);
    let binding = driver.bind(1, large.dmabuf.clone().into(), BindOptions { rx_page_size: 1 << 16 }).unwrap();
    assert_eq!(driver.napi().memory(1).unwrap().payload().piece_size(), 1 << 16);
    assert_eq!(large.used(), 64, "a refill, of which the ring has 32");
    driver.unbind(binding).unwrap();
    drop((driver, large));
    rig.assert_clean();
}

#[test]
fn p3_an_undeclared_device_takes_pages_only() {
    let rig = Rig::small();
    let mut device = rig.queue(true);
    *device.memory.payload_mut() = PagePool::new(rig.params(), rig.any()).unwrap();
    let error = Driver::readable(ReadableOnly(rig.nic(1)), vec![rig.queue(false), device]).unwrap_err();
    assert_eq!(error, DriverError::Unreadable { queue: 1 });

    // Pages of a provider need no declaration, and the other conditions hold.
    let config = vec![rig.queue(false), rig.queue(true)];
    let mut driver = Driver::readable(ReadableOnly(rig.nic(u64::MAX)), config).unwrap();
    let other = Zone::new(256).unwrap();
    let provider = PageProvider::new(other.clone());
    let error = driver.bind_pages(0, provider.clone(), BindOptions::default()).unwrap_err();
    assert_eq!(error.reason, BindError::HeaderSplitOff { queue: 0 });
    let binding = driver.bind_pages(1, provider, BindOptions::default()).unwrap();
    assert!(!driver.net_device().is_unreadable(1) && driver.net_device().bound(1).is_some());
    let (mut oracle, mut kept) = (rig.oracle(), Vec::new());
    receive(&mut driver, &mut oracle, &mut kept, [40, 40]);
    assert!(other.free_frames() < 256);
    driver.unbind(binding).unwrap();
    drop((driver, kept));
    assert_eq!((other.free_frames(), oracle.device_bytes), (256, 0));
    rig.assert_clean();
}

/// A driver that fails when it is told to.
struct Faulty {
    driver: Driver<Nic>,
    /// Makes its own pages whatever is asked for: a driver that was never taught of providers.
    deaf: bool,
    stop_fails: bool,
    /// How often a start fails.
    start_fails: usize,
}

impl QueueMgmt for Faulty {
    type Rx = PageOrIov;
    type Memory = <Driver<Nic> as QueueMgmt>::Memory;

    fn net_device(&self) -> &NetDevice {
        self.driver.net_device()
    }
    fn net_device_mut(&mut self) -> &mut NetDevice {
        self.driver.net_device_mut()
    }
    fn queue_mem_alloc(&mut self, queue: usize, config: &RxQueueConfig) -> Result<Self::Memory, QueueError> {
        if self.deaf {
            // A config without a provider is made by the core only: what queue 0 of a device without bindings has.
            let mut spare = Spare(NetDevice::new(Capabilities::default(), 1).unwrap(), None);
            let _ = netdev::restart(&mut spare, 0);
            return self.driver.queue_mem_alloc(queue, &spare.1.unwrap());
        }
        self.driver.queue_mem_alloc(queue, config)
    }
    fn payload_pool(memory: &Self::Memory) -> &PagePool {
        Driver::<Nic>::payload_pool(memory)
    }
    fn queue_stop(&mut self, queue: usize) -> Result<Self::Memory, QueueError> {
        if self.stop_fails {
            return Err(QueueError::Device { what: "stop" });
        }
        self.driver.queue_stop(queue)
    }
    fn queue_start(&mut self, queue: usize, memory: Self::Memory) -> Result<(), Refused<QueueError, Self::Memory>> {
        if self.start_fails != 0 {
            self.start_fails -= 1;
            return Err(Refused { reason: QueueError::Device { what: "start" }, back: memory });
        }
        self.driver.queue_start(queue, memory)
    }
}

/// Keeps the config that it is given.
struct Spare(NetDevice, Option<RxQueueConfig>);

impl QueueMgmt for Spare {
    type Rx = PageOrIov;
    type Memory = PagePool;

    fn net_device(&self) -> &NetDevice {
        &self.0
    }
    fn net_device_mut(&mut self) -> &mut NetDevice {
        &mut self.0
    }
    fn queue_mem_alloc(&mut self, _: usize, config: &RxQueueConfig) -> Result<PagePool, QueueError> {
        self.1 = Some(config.clone());
        Err(QueueError::NoBuffers)
    }
    fn payload_pool(memory: &PagePool) -> &PagePool {
        memory
    }
    fn queue_stop(&mut self, _: usize) -> Result<PagePool, QueueError> {
        Err(QueueError::NoBuffers)
    }
    fn queue_start(&mut self, _: usize, _: PagePool) -> Result<(), Refused<QueueError, PagePool>> {
        Ok(())
    }
}

#[test]
fn a_bind_that_fails_leaves_the_queue_as_it_was() {
    let rig = Rig::small();
    let mut faulty = Faulty { driver: rig.driver(u64::MAX), deaf: false, stop_fails: false, start_fails: 0 };
    let (mut oracle, mut kept) = (rig.oracle(), Vec::new());
    receive(&mut faulty.driver, &mut oracle, &mut kept, [5, 5]);
    let pool = |faulty: &Faulty| faulty.driver.napi().memory(1).unwrap().payload().id();
    let before = pool(&faulty);
    type Break<'a> = &'a dyn Fn(&mut Faulty);
    let cases: [(Break<'_>, BindError); 3] = [
        // ENODATA.
        (&|faulty| faulty.deaf = true, RestartError::OtherProvider.into()),
        (&|faulty| faulty.stop_fails = true, RestartError::Stop(QueueError::Device { what: "stop" }).into()),
        (
            &|faulty| faulty.start_fails = 1,
            RestartError::Start { reason: QueueError::Device { what: "start" }, restored: true }.into(),
        ),
    ];
    for (break_it, reason) in cases {
        break_it(&mut faulty);
        assert_eq!(refused(&mut faulty, &rig, 1), reason);
        (faulty.deaf, faulty.stop_fails) = (false, false);
        assert_eq!(pool(&faulty), before, "the old memory, after {reason}");
        assert!(faulty.net_device().bound(1).is_none());
        assert_eq!(rig.gpu().used(), 0);
        // Not a packet is lost, on either queue.
        receive(&mut faulty.driver, &mut oracle, &mut kept, [40, 40]);
    }
    // No memory for a single buffer.
    let mut hog: PagePool = PagePool::new(rig.params(), rig.any()).unwrap();
    let all: Vec<_> = std::iter::from_fn(|| hog.alloc()).collect();
    assert_eq!(refused(&mut faulty, &rig, 1), RestartError::Alloc(QueueError::NoBuffers).into());
    receive(&mut faulty.driver, &mut oracle, &mut kept, [40, 40]);
    drop((all, hog));

    // An unbind that fails leaves the memory bound, and hands the binding back to try again.
    let binding = netdev::bind(&mut faulty, 1, rig.any(), BindOptions::default()).unwrap();
    faulty.start_fails = 1;
    let error = netdev::unbind(&mut faulty, binding).unwrap_err();
    assert!(matches!(error.reason, UnbindError::Restart(RestartError::Start { restored: true, .. })), "{error}");
    assert!(error.back.is_bound() && faulty.net_device().is_unreadable(1));
    let device_bytes = oracle.device_bytes;
    receive(&mut faulty.driver, &mut oracle, &mut kept, [40, 80]);
    assert!(oracle.device_bytes > device_bytes);
    netdev::unbind(&mut faulty, error.back).unwrap();

    // Nothing to go back to: it is told, and the queue is stopped.
    faulty.start_fails = 2;
    let reason = RestartError::Start { reason: QueueError::Device { what: "start" }, restored: false };
    assert_eq!(refused(&mut faulty, &rig, 1), reason.into());
    receive(&mut faulty.driver, &mut oracle, &mut kept, [1, 0]);
    assert_eq!(faulty.driver.posted(1), Some((0, 0)));
    drop((faulty, kept));
    rig.assert_clean();
}

#[test]
fn a_binding_and_its_device_may_go_in_any_order() {
    let rig = Rig::small();
    let bound = |driver: &mut Driver<Nic>| driver.bind(1, rig.any(), BindOptions::default()).unwrap();
    // The device first, with packets out.
    let (mut driver, mut oracle, mut kept) = (rig.driver(u64::MAX), rig.oracle(), Vec::new());
    let binding = bound(&mut driver);
    receive(&mut driver, &mut oracle, &mut kept, [10, 60]);
    assert!(oracle.device_bytes > 0);
    drop(driver);
    assert!(!binding.is_bound());
    let mut other = rig.driver(u64::MAX);
    other.unbind(binding).unwrap(); // over: nothing to do, on whatever device
    kept.iter().for_each(|skb| oracle.check(skb, false));
    kept.clear();

    // The binding first, with packets out; and a binding of another device.
    let mut driver = rig.driver(u64::MAX);
    let mut oracle = rig.oracle();
    let (first, second) = (bound(&mut driver), bound(&mut other));
    let error = driver.unbind(second).unwrap_err();
    assert_eq!(error.reason, UnbindError::OtherDevice { queue: 1 });
    assert!(error.back.is_bound() && first.is_bound());
    receive(&mut driver, &mut oracle, &mut kept, [10, 60]);
    driver.unbind(first).unwrap();
    let held = rig.gpu().used();
    kept.iter().for_each(|skb| oracle.check(skb, false));
    kept.clear();
    drop(driver);
    assert!(rig.gpu().used() < held);

    drop(other);
    assert!(!error.back.is_bound());
    rig.assert_clean();
}

#[test]
fn a_provider_is_told_once_that_it_is_taken_off() {
    let rig = Rig::small();
    let (uninstalled, destroyed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let provider = Altered::of(rig.pages())
        .uninstall({
            let (uninstalled, destroyed) = (uninstalled.clone(), destroyed.clone());
            move |_| assert_eq!(destroyed.load(Relaxed), uninstalled.fetch_add(1, Relaxed), "before the pool is gone")
        })
        .destroy({
            let destroyed = destroyed.clone();
            move |_| _ = destroyed.fetch_add(1, Relaxed)
        })
        .into_arc();
    let told = || (uninstalled.load(Relaxed), destroyed.load(Relaxed));
    let mut driver = rig.driver(u64::MAX);
    let (mut oracle, mut kept) = (rig.oracle(), Vec::new());
    let bind = |driver: &mut Driver<Nic>| driver.bind_pages(1, provider.clone(), BindOptions::default()).unwrap();
    let binding = bind(&mut driver);
    receive(&mut driver, &mut oracle, &mut kept, [1, 40]);
    driver.unbind(binding).unwrap();
    assert_eq!(told(), (1, 0), "packets are out");
    kept.clear();
    receive(&mut driver, &mut oracle, &mut kept, [1, 64]);
    kept.clear();
    assert_eq!(told(), (1, 1));
    drop(bind(&mut driver)); // unbound by the next poll
    receive(&mut driver, &mut oracle, &mut kept, [1, 64]);
    kept.clear();
    assert_eq!(told(), (2, 2));
    let binding = bind(&mut driver);
    drop(driver);
    assert_eq!(told(), (3, 3));
    assert!(!binding.is_bound());
    drop(binding);
    rig.assert_clean();
}

/// Takes a packet, as a device that sends it would.
fn taken(buff: XdpBuff) -> Result<(), XdpBuff> {
    drop(buff);
    Ok(())
}

/// The frame of an skb.
fn frame(skb: &Skb) -> Vec<u8> {
    let mut frame = vec![0; skb.len()];
    skb.copy_bits(0, &mut frame).unwrap();
    frame
}

#[test]
fn a_program_sees_packets_first() {
    for rig in [Rig::new(Bounce::new(), SMALL), Rig::new(Iommu::new(), SMALL)] {
        let mut driver = Driver::new(rig.nic(u64::MAX), vec![rig.queue(false), rig.queue(false)]).unwrap();
        let mut oracle = rig.oracle();
        receive(&mut driver, &mut oracle, &mut Vec::new(), [50, 50]);
        // By sequence number: pass, drop, send, redirect; those of queue 1 with a header of 20 bytes more.
        let (sent, redirected) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let xdp = Xdp::new(|mut buff| {
            assert!(buff.headroom() >= 256 && buff.tailroom() > 1000);
            let parsed = parse(buff.bytes());
            match Expect::sequence(&buff.bytes()[parsed.header_len..]).unwrap() % 5 {
                0 => Verdict::Drop(buff),
                1 => Verdict::Tx(buff),
                2 => Verdict::Redirect(buff, 7),
                3 if parsed.dst_port == Some(PORTS[1]) => {
                    buff.adjust_head(-20).unwrap();
                    buff.bytes_mut()[..20].fill(0xcc);
                    buff.adjust_tail(4).unwrap();
                    Verdict::Pass(buff)
                }
                _ => Verdict::Pass(buff),
            }
        })
        .on_tx({
            let sent = sent.clone();
            move |buff| {
                // Every third is not taken.
                if sent.fetch_add(1, Relaxed) % 3 == 0 { Err(buff) } else { taken(buff) }
            }
        })
        .on_redirect({
            let redirected = redirected.clone();
            move |buff, to| {
                assert_eq!(to, 7);
                redirected.fetch_add(1, Relaxed);
                taken(buff)
            }
        });
        assert!(driver.attach_xdp(Some(xdp)).unwrap().is_none());
        assert!(driver.net_device().has_xdp());
        // What had arrived before is delivered as it is; then only what the program passes.
        let (mut passed, mut grown, deadline) = (0, 0, Instant::now() + Duration::from_secs(20));
        while passed < 400 {
            let Polled { work, .. } = driver.poll(16, |skb| {
                let mut bytes = frame(&skb);
                if bytes.starts_with(&[0xcc; 20]) {
                    assert!(bytes.ends_with(&[0; 4]));
                    bytes = bytes[20..bytes.len() - 4].to_vec();
                    grown += 1;
                }
                let parsed = parse(&bytes);
                let payload = &bytes[parsed.header_len..];
                let (seq, port) = (Expect::sequence(payload).unwrap(), PORTS[usize::from(skb.queue())]);
                Expect::new(SEED, port, seq, SMALL).check(payload).unwrap();
                passed += 1;
                Some(skb)
            });
            if work == 0 {
                assert!(Instant::now() < deadline, "nothing comes");
                driver.hardware().wait(Duration::from_millis(5));
            }
        }
        let total = |count: fn(&netmem_drivers::RxStats) -> u64| -> u64 {
            (0..2).map(|queue| count(&driver.stats(queue).unwrap())).sum()
        };
        let (dropped, gone, unsent) = (total(|s| s.xdp_drop), total(|s| s.xdp_sent), total(|s| s.xdp_unsent));
        assert!(grown > 30 && dropped > 150, "{grown} {dropped}");
        let (sent, redirected) = (sent.load(Relaxed) as u64, redirected.load(Relaxed) as u64);
        assert_eq!((unsent, gone), (sent.div_ceil(3), sent - sent.div_ceil(3) + redirected));
        let cached: u64 =
            (0..2).map(|queue| driver.napi().memory(queue).unwrap().payload().stats().recycle_cached).sum();
        assert!(cached > 0, "a drop recycles directly");
        // Not while a program is attached.
        let mut split = rig.driver(1);
        split.net_device_mut().set_xdp(true).unwrap();
        assert_eq!(refused(&mut split, &rig, 1), BindError::XdpAttached);
        drop(split);

        assert!(driver.attach_xdp(None).unwrap().is_some());
        assert!(!driver.net_device().has_xdp());
        drop(driver);
        rig.assert_clean();
    }
}

/// Frames of these lengths, each with its number in every byte.
fn of_lengths(lengths: std::ops::Range<usize>) -> Box<Frames> {
    Frames::new(lengths.map(|len| vec![len as u8; len]))
}

#[test]
fn a_program_sees_whole_ethernet_headers_only() {
    let rig = Rig::new(Bounce::new(), PayloadSize::Fixed(100));
    let (begin, traffic) = Gate::new(of_lengths(1..100));
    let params = NicParams { max_frame: 2048, pause: Some(Duration::from_secs(60)), ..NicParams::default() };
    let nic = rig.kit.nic(params, traffic);
    let mut driver = Driver::new(nic, vec![rig.queue(false)]).unwrap();
    let (seen, mut small) = (Arc::new(AtomicUsize::new(0)), rig.pool());
    let count = seen.clone();
    let xdp = Xdp::new(move |buff| {
        count.fetch_add(1, Relaxed);
        // Reads the type of the frame, as a program may.
        assert_eq!(buff.bytes()[12..14], [buff.len() as u8; 2]);
        let short = small.alloc_frag(13).unwrap();
        assert_eq!(XdpBuff::try_from(short).unwrap_err().len(), 13, "a program makes no such frame either");
        Verdict::Pass(buff)
    });
    driver.attach_xdp(Some(xdp)).unwrap();
    begin.send(()).unwrap();
    let mut passed = Vec::new();
    while !driver.hardware().has_ended() || driver.hardware().has_completions() {
        let _ = driver.poll(16, |skb| {
            passed.push(skb.len());
            Some(skb)
        });
        driver.hardware().wait(Duration::from_millis(1));
    }
    assert_eq!(passed, (14..100).collect::<Vec<_>>());
    let stats = driver.stats(0).unwrap();
    assert_eq!((seen.load(Relaxed), stats.too_short, stats.packets, stats.failed), (86, 13, 86, 0));
    drop(driver);
    rig.assert_clean();
}

#[test]
fn d2_an_end_that_grows_shows_nothing_that_was_not_received() {
    let rig = Rig::new(Bounce::new(), PayloadSize::Fixed(100));
    let (begin, traffic) = Gate::new(of_lengths(60..160));
    let params = NicParams { depth: 8, max_frame: 2048, pause: Some(Duration::from_secs(60)), ..NicParams::default() };
    let nic = rig.kit.nic(params, traffic);
    let mut driver = Driver::new(nic, vec![rig.queue(false)]).unwrap();
    let xdp = Xdp::new(|mut buff| {
        let (len, byte) = (buff.len() as usize, buff.len() as u8);
        assert!(buff.bytes().iter().all(|at| *at == byte));
        // What the program leaves in the room is there when the buffer is used the next time, at the other end.
        buff.adjust_head(20).unwrap();
        let room = (buff.headroom() as i32, buff.tailroom() as i32);
        buff.adjust_head(-room.0).unwrap();
        buff.adjust_tail(room.1).unwrap();
        let bytes = buff.bytes_mut();
        let (front, rest) = bytes.split_at_mut(room.0 as usize - 20);
        let (frame, behind) = rest.split_at_mut(len);
        assert!(frame.iter().all(|at| *at == byte), "what was part of the frame before is as it was");
        assert!(front.iter().chain(behind.iter()).all(|at| *at == 0), "what was not is 0");
        front.fill(0xaa);
        behind.fill(0xbb);
        Verdict::Drop(buff)
    });
    driver.attach_xdp(Some(xdp)).unwrap();
    begin.send(()).unwrap();
    while !driver.hardware().has_ended() || driver.hardware().has_completions() {
        let _ = driver.poll(16, Some);
        driver.hardware().wait(Duration::from_millis(1));
    }
    assert_eq!(driver.stats(0).unwrap().xdp_drop, 100);
    drop(driver);
    rig.assert_clean();
}

#[test]
fn restarts_in_a_row_hold_no_more_than_two_rings_and_lose_nothing() {
    const DEPTH: usize = 32;
    let rig = Rig::new(Iommu::new(), PayloadSize::Fixed(100));
    let traffic = of_lengths(60..2000);
    let params = NicParams {
        depth: DEPTH as u32,
        max_frame: 2048,
        pause: Some(Duration::from_secs(60)),
        ..NicParams::default()
    };
    let nic = rig.kit.nic(params, traffic);
    let mut driver = Driver::new(nic, vec![rig.queue(false)]).unwrap();
    let (mut lengths, mut most) = (Vec::new(), 0);
    for change in 0..100 {
        // The device uses what it has before each change, and the driver takes but a few frames of it.
        while driver.hardware().queue_stats(0).unwrap().frames == lengths.len() as u64 && !driver.hardware().has_ended()
        {
            driver.hardware().wait(Duration::from_millis(1));
        }
        let _ = driver.poll(4, |skb| {
            lengths.push(skb.len());
            None
        });
        let xdp = (change % 2 == 0).then(|| Xdp::new(Verdict::Pass));
        driver.attach_xdp(xdp).map_err(|error| error.reason).unwrap();
        most = most.max(rig.account().frames);
    }
    // Each buffer is a page of its own with headroom, and a cache may hold a refill.
    assert!(most <= 2 * DEPTH + 64, "{most} pages are held");
    while !driver.hardware().has_ended() || driver.hardware().has_completions() || lengths.len() < 1940 {
        if driver
            .poll(16, |skb| {
                lengths.push(skb.len());
                None
            })
            .work
            == 0
        {
            driver.hardware().wait(Duration::from_millis(1));
        }
    }
    assert_eq!(lengths, (60..2000).collect::<Vec<_>>(), "each frame once and in order");
    assert_eq!(driver.posted(0), Some((DEPTH, DEPTH)), "the ring is full again");
    drop(driver);
    rig.assert_clean();
}

/// Restarts a queue again and again while frames come in, and delivers all of them in the end. The most pages that were in
/// use, and the order of what arrived.
fn restarts_in_a_row(order: u32, buffer_size: u32, lengths: std::ops::Range<usize>, polls: u32) -> (usize, Vec<usize>) {
    let rig = kit::Rig::new(Iommu::new(), 1 << 14);
    let traffic = of_lengths(lengths.clone());
    let pause = Some(Duration::from_secs(60));
    let params = NicParams { depth: 64, max_frame: 9216, pause, ..NicParams::default() };
    let nic = rig.nic(params, traffic);
    let params = PagePoolParams { order, max_len: 4096 << order, ..rig.params() };
    let payload = PagePool::new(params, AnyProvider::from(rig.pages())).unwrap();
    let config = QueueConfig { buffer_size, ..QueueConfig::new(RxMemory::new(payload, None)) };
    let mut driver = Driver::new(nic, vec![config]).unwrap();
    let (mut arrived, mut most) = (Vec::new(), 0);
    for _ in 0..60 {
        // The device uses all that it has before each restart.
        let used = |driver: &mut Driver<Nic>| driver.hardware().queue_stats(0).unwrap().frames;
        let mut before = u64::MAX;
        while before != used(&mut driver) && !driver.hardware().has_ended() {
            before = used(&mut driver);
            driver.hardware().wait(Duration::from_millis(1));
        }
        for _ in 0..polls {
            let _ = driver.poll(1, |skb| {
                arrived.push(skb.len());
                None
            });
        }
        netdev::restart(&mut driver, 0).unwrap();
        most = most.max(rig.account().frames);
    }
    while arrived.len() < lengths.len() {
        if driver
            .poll(16, |skb| {
                arrived.push(skb.len());
                None
            })
            .work
            == 0
        {
            driver.hardware().wait(Duration::from_millis(1));
        }
    }
    drop(driver);
    rig.assert_clean();
    (most, arrived)
}

#[test]
fn restarts_in_a_row_keep_no_pieces_of_pools_that_are_gone() {
    // Frames of many buffers that lie side by side; frames that are small parts of large pieces; many small buffers.
    for (order, buffer, lengths, polls) in
        [(3, 2048, 8000..9000, 0), (3, 2048, 8000..9000, 1), (6, 2048, 1000..1500, 1), (0, 64, 900..1000, 1)]
    {
        let (most, arrived) = restarts_in_a_row(order, buffer, lengths.clone(), polls);
        assert_eq!(arrived, lengths.collect::<Vec<_>>(), "order {order}: each frame once and in order");
        // Two rings, the piece that each pool is cutting, and a refill of single pages.
        let ring = (64 * buffer as usize).div_ceil(4096 << order) << order;
        let bound = 2 * ring + (2 << order) + if order == 0 { 64 } else { 0 };
        assert!(most <= bound, "order {order}, buffers of {buffer}: {most} pages are held, {bound} are two rings");
    }
}

#[test]
fn a_program_that_panics_in_a_restart_costs_its_frame_and_no_more() {
    let rig = Rig::new(Iommu::new(), PayloadSize::Fixed(100));
    let (begin, traffic) = Gate::new(of_lengths(60..160));
    let pause = Some(Duration::from_secs(60));
    let params = NicParams { depth: 16, max_frame: 2048, pause, ..NicParams::default() };
    let nic = rig.kit.nic(params, traffic);
    let mut driver = Driver::new(nic, vec![rig.queue(false)]).unwrap();
    driver
        .attach_xdp(Some(Xdp::new(|buff| if buff.len() == 68 { panic!("a program") } else { Verdict::Pass(buff) })))
        .unwrap();
    begin.send(()).unwrap();
    while driver.hardware().queue_stats(0).unwrap().frames < 16 {
        driver.hardware().wait(Duration::from_millis(1));
    }
    assert_eq!(panics(|| netdev::restart(&mut driver, 0)), "a program");
    // The next polls deliver what had arrived, and start the queue again.
    let (mut arrived, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(20));
    while arrived.last() != Some(&159) {
        assert!(Instant::now() < deadline, "nothing comes");
        let _ = driver.poll(8, |skb| {
            arrived.push(skb.len());
            None
        });
        driver.hardware().wait(Duration::from_millis(1));
    }
    assert_eq!(arrived, (60..160).filter(|len| *len != 68).collect::<Vec<_>>());
    assert_eq!(driver.posted(0), Some((16, 16)));
    drop(driver);
    rig.assert_clean();
}

#[test]
fn what_the_core_has_noted_does_not_hide_what_a_queue_runs_on() {
    let program = || Some(Xdp::new(|_| panic!("it sees a piece of a frame")));
    // A queue that splits headers off, whatever the note says.
    let rig = Rig::small();
    let mut driver = rig.driver(1);
    driver.net_device_mut().set_header_split(1, HeaderSplit::Off).unwrap();
    assert_eq!(driver.attach_xdp(program()).unwrap_err().reason, XdpError::HeaderSplit { queue: 1 });
    // A device whose frames are longer than its note says.
    drop(driver);
    let rig = Rig::new(Iommu::new(), PayloadSize::Fixed(5000));
    let mut driver = Driver::new(rig.nic(1), vec![rig.queue(false), rig.queue(false)]).unwrap();
    *driver.net_device_mut() = NetDevice::new(Capabilities::default(), 2).unwrap();
    let refused = driver.attach_xdp(program()).unwrap_err();
    assert_eq!(refused.reason, XdpError::FrameSize { queue: 0, max_frame: 5042, buffer: 2048 });
    drop(driver);
    // A program that is attached, whatever the note says: no device memory beneath it.
    let rig = Rig::small();
    let mut driver = Driver::new(rig.nic(1), vec![rig.queue(false), rig.queue(false)]).unwrap();
    driver.attach_xdp(program()).unwrap();
    driver.net_device_mut().set_xdp(false).unwrap();
    driver.net_device_mut().set_header_split(1, HeaderSplit::On { threshold: 0 }).unwrap();
    let refused = driver.bind(1, rig.any(), BindOptions::default()).unwrap_err();
    assert_eq!(refused.reason, BindError::Restart(RestartError::Alloc(QueueError::Program { queue: 1 })));
    drop((driver, refused));
    rig.assert_clean();
}

#[test]
fn a_queue_is_not_started_twice_nor_on_memory_of_another_device() {
    let (rig, other) = (Rig::small(), Rig::small());
    let mut drivers = [&rig, &other].map(|rig| Driver::new(rig.nic(4), vec![rig.queue(false)]).unwrap());
    let [one, two] = &mut drivers;
    let (mine, theirs) = (one.queue_stop(0).unwrap(), two.queue_stop(0).unwrap());
    let refused = one.queue_start(0, theirs).unwrap_err();
    assert_eq!(refused.reason, QueueError::Post { queue: 0, reason: PostError::NotMapped });
    two.queue_start(0, refused.back).map_err(|error| error.reason).unwrap_err();
    one.queue_start(0, mine).map_err(|error| error.reason).unwrap();
    drop(drivers);
    rig.assert_clean();
    other.assert_clean();
}

/// A device that says that its frames are shorter than they are.
struct SaysLess(Nic);

impl Hardware for SaysLess {
    type Queue = NicQueue;
    type Rx = PageOrIov;
    fn rx_queue(&mut self, index: usize) -> Option<NicQueue> {
        self.0.rx_queue(index)
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities { max_frame: 2048, ..self.0.capabilities() }
    }
}

#[test]
fn a_program_does_not_see_frames_of_several_buffers() {
    let rig = Rig::new(Iommu::new(), PayloadSize::Fixed(5000));
    let mut driver = Driver::new(rig.nic(100), vec![rig.queue(false), rig.queue(false)]).unwrap();
    let refused = driver.attach_xdp(Some(Xdp::new(Verdict::Pass))).unwrap_err();
    assert_eq!(refused.reason, XdpError::FrameSize { queue: 0, max_frame: 5042, buffer: 2048 });
    assert!(refused.back.is_some() && !driver.net_device().has_xdp());
    assert!(refused.to_string().contains("lower the longest frame"), "{refused}");
    assert!(driver.attach_xdp(None).unwrap().is_none(), "there is none to detach, and that is fine");
    drop(driver);

    // A device that has longer frames than it said: the program sees no piece of one.
    let nic = SaysLess(rig.nic(100));
    let mut driver = Driver::new(nic, vec![rig.queue(false), rig.queue(false)]).unwrap();
    driver.attach_xdp(Some(Xdp::new(|_| panic!("it sees a piece of a frame")))).unwrap();
    let (mut before, mut polling) = (0, Polling::new());
    loop {
        let Polled { work, .. } = driver.poll(16, |_| {
            before += 1;
            None
        });
        if polling.is_over(&driver.hardware().0, work != 0) {
            break;
        }
    }
    let refused: u64 = (0..2).map(|queue| driver.stats(queue).unwrap().xdp_multi_buffer).sum();
    assert_eq!(before + refused, 100);
    assert!(refused > 0);
    drop(driver);
    rig.assert_clean();
}

#[test]
fn a_queue_that_started_on_device_memory_is_bound() {
    let rig = Rig::small();
    let mut device = rig.queue(true);
    *device.memory.payload_mut() = PagePool::new(rig.params(), rig.any()).unwrap();
    let mut driver = Driver::new(rig.nic(u64::MAX), vec![rig.queue(false), device]).unwrap();
    assert_eq!(refused(&mut driver, &rig, 1), BindError::AlreadyBound { queue: 1 });
    assert_eq!(driver.net_device_mut().set_xdp(true), Err(ConfigError::Bound { queue: 1 }));
    // A restart goes on with it.
    let (mut oracle, mut kept) = (rig.oracle(), Vec::new());
    netdev::restart(&mut driver, 1).unwrap();
    receive(&mut driver, &mut oracle, &mut kept, [10, 100]);
    assert!(oracle.device_bytes > 0);
    drop((driver, kept));
    rig.assert_clean();
}
