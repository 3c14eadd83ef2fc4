//! What the examples of the two ports share: the command line, and a rig of one NIC and two rings.

use crate::common;
use crate::common::args::{Args, Program, Stage};
use crate::common::check::Consumer;
use crate::common::feed::{Feed, Rule};
use crate::common::job::{self, AnyError, BUDGET, DEPTH, Outcome, Receiver};
use crate::common::limits::FRAMES;
use crate::common::report::{Drops, QueueReport, Report};
use crate::common::signals::Interrupt;
use netmem::Page;
use netmem::dma::DmaDevice;
use netmem::mm::Zone;
use netmem::page_pool::{AnyProvider, Chunk, PagePool, PagePoolParams};
use netmem::provider::{DmabufProvider, PageProvider};
use netmem::skb::Skb;
use netmem_drivers::RxStats;
use netmem_drivers::port::PortRing;
use netmem_sim::Memfd;
use netmem_sim::nic::{Hostile, Nic, NicParams};
use std::process::ExitCode;
use std::sync::Arc;

const HELP: &str = "\
Receive packets on two queues with one stage of a port: page and netmem receive
into host memory; devmem receives on queue 1 into device memory that the CPU
cannot read, with headers split off to host memory.

usage: port_hns3 [OPTIONS], port_gve [OPTIONS]

  --stage STAGE      page, netmem or devmem [page]
  --packets N        how many packets of the generator to receive [1000000]
  --seed N           what the generator makes [1]
  --size N|MIN..MAX  bytes of UDP payload that it makes: at least 16, at most 42
                     fewer than the longest frame has [64..1472]
  --hostile N        every N frames of the generator, the device reports a
                     completion that does not fit what was posted
  --pcap FILE        receive the frames of a capture instead, as `receive` does:
                     pcap or pcapng, - is standard input
  --strict           refuse a capture for what would be passed over or changed
  --max-frame N      the longest frame in bytes, 60 to 34816 [9216]: a packet has
                     17 frags, and a buffer 2048 bytes
  --ports P0,P1      UDP or TCP destination ports of the queues [5001,5002];
                     frames of a capture for neither go to queue 0
  --dma KIND         coherent, bounce or iommu [coherent];
                     bounce-without-sync must report wrong bytes
  --device-memory K  KiB of device memory of --stage devmem, up to 4194304 [65536]
  --niov-size N      bytes of a net_iov of it, a power of two from 4096 to 2097152
                     [4096]
  --json             one JSON object instead of tables
  -h, --help         this text

status: 0 all that was sent arrived, each byte of it right, but for frames that
          the driver drops by its rules (shorter than an Ethernet header; for
          device memory, with more headers than a header buffer has, or
          without a right checksum), and nothing leaked
        1 not so
        2 bad input: an option, a file that is no capture, one of which no packet
          is received, or a source that fails (what had arrived is told)
        3 SIGINT or SIGTERM came, and what had arrived by then is right
";

/// Bytes of a header buffer of both ports. Headers that are longer stay with the payload.
const HEAD_SIZE: usize = netmem_drivers::hns3::HEAD_SIZE as usize;
const _: () = assert!(HEAD_SIZE == netmem_drivers::gve::HEAD_SIZE as usize);

/// What a ring may be given.
pub(crate) struct Memory {
    device: Arc<dyn DmaDevice>,
    zone: Zone,
    dmabuf: Option<Arc<DmabufProvider>>,
}

impl Memory {
    /// A pool of pages, by type.
    pub(crate) fn pages(&self) -> Result<PagePool<Page>, AnyError> {
        let params = PagePoolParams::for_device(self.device.clone(), 4096);
        Ok(PagePool::<Page>::new(params, PageProvider::new(self.zone.clone()))?)
    }

    /// A pool for payload: of device memory where the queue has some, else of pages.
    pub(crate) fn payload(&self) -> Result<PagePool, AnyError> {
        let (provider, size) = match &self.dmabuf {
            Some(dmabuf) => (AnyProvider::from(dmabuf.clone()), dmabuf.niov_size()),
            None => (AnyProvider::from(PageProvider::new(self.zone.clone())), 4096),
        };
        Ok(PagePool::new(PagePoolParams::for_device(self.device.clone(), size), provider)?)
    }
}

/// Starts a ring of a port at a stage.
pub(crate) type Start = fn(&mut Nic, usize, Stage, &Memory) -> Result<Box<dyn PortRing>, AnyError>;

/// What the program does; `name` is its name.
pub(crate) fn main(name: &str, start: Start) -> ExitCode {
    common::main(name, Program::Port, HELP, |args, interrupt| run(name, args, start, interrupt))
}

/// The rings of a port, and their device.
struct Rings {
    rings: Vec<Box<dyn PortRing>>,
    nic: Nic,
}

impl Receiver for Rings {
    fn poll(&mut self, mut deliver: impl FnMut(usize, Skb) -> Option<Skb>) -> u32 {
        let rings = self.rings.iter_mut().enumerate();
        rings.map(|(queue, ring)| ring.poll(BUDGET, &mut |skb| deliver(queue, skb))).sum()
    }

    fn nic(&mut self) -> &mut Nic {
        &mut self.nic
    }

    fn posted(&self, queue: usize) -> (usize, usize) {
        self.rings.get(queue).map_or((0, 0), |ring| ring.posted())
    }

    fn accounted(&mut self) -> u64 {
        let device = self.nic.stats();
        let rings = self.rings.iter().enumerate().map(|(queue, ring)| {
            let (stats, drops) = drops(&**ring, &self.nic, queue, false);
            stats.packets + drops.total()
        });
        rings.sum::<u64>() + device.unsteered + device.too_long
    }

    fn change(&mut self) -> Result<(), AnyError> {
        Err("the rings of a port keep the memory that they were started with".into())
    }

    fn is_bound(&self) -> bool {
        false
    }
}

/// What a ring counted, and the frames that it or the device dropped.
fn drops(ring: &dyn PortRing, nic: &Nic, queue: usize, hostile: bool) -> (RxStats, Drops) {
    let stats = ring.stats();
    let drops = Drops::new(&stats.rx, &nic.queue_stats(queue).unwrap_or_default(), hostile);
    let no_packet = stats.no_skb - stats.unreadable_head;
    let drops = drops.and("unreadable headers", stats.unreadable_head, true).and("no packet", no_packet, false);
    (stats.rx, drops.and("filtered", stats.early_drop, false))
}

/// Puts it together, runs it, takes it apart, and looks whether anything is left.
fn run(name: &str, args: &Args, start: Start, interrupt: &Interrupt) -> Result<Report, AnyError> {
    let (bus, zone, stage) = (job::bus(args.dma), Zone::new(FRAMES)?, args.stage);
    let (len, niov_size) = (args.device_memory, args.niov_size);
    let device = || bus.clone().driver_side();
    let gpu = match stage {
        Stage::Devmem => {
            let gpu = Memfd::new("netmem-gpu", len)?;
            Some((DmabufProvider::bind(device(), gpu.clone(), &[Chunk { offset: 0, len }], niov_size)?, gpu))
        }
        Stage::Page | Stage::Netmem => None,
    };
    // What is not split off from unreadable payload cannot be read.
    let rule = match stage {
        Stage::Devmem => Rule::Unreadable { header_size: HEAD_SIZE, needs_headers: true },
        Stage::Page | Stage::Netmem => Rule::Readable,
    };
    let (feed, expected) = Feed::open(args, rule)?;
    let line = feed.line();
    let params = NicParams {
        queues: 2,
        depth: DEPTH,
        steering: vec![(args.ports[0], 0), (args.ports[1], 1)],
        max_frame: args.max_frame,
        hostile: args.hostile.map(Hostile::every),
        ..NicParams::default()
    };
    let view = gpu.as_ref().map(|(_, gpu)| gpu.map()).transpose()?;
    let [first, second] = expected;
    let consumers = [
        Consumer::new(0, &args.source, args.ports[0], first, None),
        Consumer::new(1, &args.source, args.ports[1], second, view),
    ];
    let mut nic = Nic::start(params, bus.clone(), Box::new(feed))?;
    let mut rings = Vec::new();
    for dmabuf in [None, gpu.as_ref().map(|(dmabuf, _)| dmabuf.clone())] {
        let memory = Memory { device: device(), zone: zone.clone(), dmabuf };
        rings.push(start(&mut nic, rings.len(), stage, &memory)?);
    }

    let mut rings = Rings { rings, nic };
    let outcome = job::run(args, &mut rings, &line, consumers, interrupt)?;
    let Outcome { findings, elapsed, interrupted, failed } = outcome;

    let Rings { rings, nic } = rings;
    let mut queues = Vec::new();
    for (queue, (mut ring, findings)) in rings.into_iter().zip(findings).enumerate() {
        ring.stop();
        let (stats, (payload, headers)) = (ring.stats(), ring.pool_stats());
        let (driver, drops) = drops(&*ring, &nic, queue, args.hostile.is_some());
        queues.push(QueueReport {
            memory: if queue == 1 && stage == Stage::Devmem { "device memory" } else { "host memory" },
            findings,
            driver,
            drops,
            own: vec![("copied", stats.copied), ("buffers reused at once", stats.reused)],
            payload,
            headers,
            outstanding: ring.in_use(),
            sent_to_be_dropped: line.by_rule(queue),
        });
    }
    let mut leaks = Vec::new();
    if zone.free_frames() != zone.frames() {
        leaks.push(format!("{} of {} pages did not come back", zone.frames() - zone.free_frames(), zone.frames()));
    }
    if let Some((dmabuf, _)) = gpu.filter(|(dmabuf, _)| dmabuf.available() != dmabuf.total()) {
        leaks.push(format!("{} of {} net_iovs did not come back", dmabuf.total() - dmabuf.available(), dmabuf.total()));
    }
    let dma_stats = bus.stats();
    if dma_stats.mapped() != 0 {
        leaks.push(format!("{} DMA mappings are left", dma_stats.mapped()));
    }
    let mut told = line.told();
    told.description = format!("{name}, stage {stage:?}: {}", told.description);
    let (device, hostile, sent) = (nic.stats(), args.hostile.is_some(), line.given());
    Ok(Report {
        told,
        sent,
        dma: args.dma,
        elapsed,
        queues,
        device,
        dma_stats,
        leaks,
        rebinds: (0, 0),
        hostile,
        interrupted,
        failed,
    })
}
