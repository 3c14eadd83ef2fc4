//! What the examples of the two ports share: the command line, and a rig of one NIC and two rings.

use crate::args::{self, Args, Dma, Provider, Source};
use crate::check::{Consumer, Findings};
use crate::report::{QueueReport, Report};
use netmem::Page;
use netmem::dma::{Bounce, Coherent, DmaBus, DmaDevice, Iommu};
use netmem::driver::port::PortRing;
use netmem::mm::Zone;
use netmem::nic::traffic::{Capture, Generator, GeneratorParams, Traffic};
use netmem::nic::{Hostile, Nic, NicParams};
use netmem::page_pool::{AnyProvider, PagePool, PagePoolParams};
use netmem::provider::{Chunk, DmabufProvider, Memfd, PageProvider};
use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

const HELP: &str = "\
Receive packets on two queues with one stage of a port: page and netmem receive
into host memory; devmem receives on queue 1 into device memory that the CPU
cannot read, with headers split off to host memory.

usage: port_hns3 [OPTIONS], port_gve [OPTIONS]

  --stage STAGE      page, netmem or devmem [page]
  --packets N        how many packets to receive [1000000]
  --seed N           what the generator makes [1]
  --size N|MIN..MAX  bytes of UDP payload, 16 to 9170 [64..1472]
  --pcap FILE        receive the frames of a capture instead (pcap or pcapng)
  --ports P0,P1      UDP or TCP destination ports of the queues [5001,5002];
                     frames of a capture for neither go to queue 0
  --dma KIND         coherent, bounce or iommu [coherent];
                     bounce-without-sync must report wrong bytes
  --device-memory K  KiB of device memory [65536]
  --niov-size N      bytes of a net_iov, 4096 or a larger power of two [4096]
  --hostile N        every N frames the device reports a completion that does
                     not fit what was posted
  --json             one JSON object instead of tables
  -h, --help         this text

status: 0 every byte arrived and nothing leaked, 1 not so, 2 bad input
";

/// The longest frame, in bytes.
const MAX_FRAME: usize = 9216;
/// Descriptors in each ring.
const DEPTH: u32 = 512;
/// Packets a poll may receive from a ring.
const BUDGET: u32 = 64;
/// Packets between a ring and a consumer.
const BACKLOG: usize = 1024;
/// Frames of host memory: 64 MiB.
const FRAMES: usize = 16384;

pub(crate) type AnyError = Box<dyn Error>;

/// A stage of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Page,
    Netmem,
    Devmem,
}

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
    let result = parse().and_then(|parsed| {
        let Some((args, stage)) = parsed else { return Ok(None) };
        Ok(Some((run(name, &args, stage, start)?, args.json)))
    });
    match result {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some((report, json))) => {
            report.print(json);
            match report.verdict() {
                Ok(()) => ExitCode::SUCCESS,
                Err(wrong) => {
                    eprintln!("{name}: {wrong}");
                    ExitCode::from(1)
                }
            }
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::from(2)
        }
    }
}

/// Reads the command line. `None` when it asked for the help text.
fn parse() -> Result<Option<(Args, Stage)>, AnyError> {
    let (mut stage, mut rest) = (Stage::Page, Vec::<OsString>::new());
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        let value = match text.strip_prefix("--stage=") {
            Some(value) => Some(value.to_string()),
            None if text == "--stage" => {
                let value = arguments.next().ok_or("--stage needs a value; see --help")?;
                Some(value.to_string_lossy().into_owned())
            }
            None => None,
        };
        match value.as_deref() {
            None => rest.push(argument),
            Some("page") => stage = Stage::Page,
            Some("netmem") => stage = Stage::Netmem,
            Some("devmem") => stage = Stage::Devmem,
            Some(other) => return Err(format!("--stage {other:?} is unknown: use page, netmem or devmem").into()),
        }
    }
    let Some(args) = args::parse(HELP, rest)? else { return Ok(None) };
    if args.provider != Provider::Dmabuf || args.rebind != 0 {
        return Err("--provider and --rebind are for `receive`: here the stage decides what queue 1 has".into());
    }
    if let Source::Tap(name) = &args.source {
        let name = name.as_deref().unwrap_or_default();
        return Err(format!("--tap {name} is for `receive`: use the generator or --pcap").into());
    }
    Ok(Some((args, stage)))
}

fn bus(dma: Dma) -> Arc<dyn DmaBus> {
    match dma {
        Dma::Coherent => Arc::new(Coherent::new()),
        Dma::Bounce => Arc::new(Bounce::new()),
        Dma::BounceWithoutSync => Arc::new(Bounce::without_sync()),
        Dma::Iommu => Arc::new(Iommu::new()),
    }
}

fn traffic(args: &Args) -> Result<Box<dyn Traffic>, AnyError> {
    Ok(match &args.source {
        Source::Capture(file) => Box::new(Capture::open(file, MAX_FRAME)?),
        Source::Generator { seed, size } => {
            let (seed, packets, size, ports) = (*seed, args.packets, *size, args.ports.to_vec());
            Box::new(Generator::new(GeneratorParams { seed, packets, size, ports }, MAX_FRAME)?)
        }
        Source::Tap(_) => return Err("no TAP".into()),
    })
}

/// Puts it together, runs it, takes it apart, and looks whether anything is left.
fn run(name: &str, args: &Args, stage: Stage, start: Start) -> Result<Report, AnyError> {
    let (bus, zone) = (bus(args.dma), Zone::new(FRAMES)?);
    let (len, niov_size) = (args.device_memory, args.niov_size);
    let device = || bus.clone().driver_side();
    let gpu = match stage {
        Stage::Devmem => {
            let gpu = Memfd::new("netmem-gpu", len)?;
            Some((DmabufProvider::bind(device(), gpu.clone(), &[Chunk { offset: 0, len }], niov_size)?, gpu))
        }
        Stage::Page | Stage::Netmem => None,
    };
    let source = traffic(args)?;
    let description = format!("{name}, stage {stage:?}: {}", source.describe());
    let params = NicParams {
        queues: 2,
        depth: DEPTH,
        steering: vec![(args.ports[0], 0), (args.ports[1], 1)],
        max_frame: MAX_FRAME,
        hostile: args.hostile.map(Hostile::every),
        ..NicParams::default()
    };
    let view = gpu.as_ref().map(|(_, gpu)| gpu.map()).transpose()?;
    let consumers = [
        Consumer::new(0, &args.source, args.ports, MAX_FRAME, None)?,
        Consumer::new(1, &args.source, args.ports, MAX_FRAME, view)?,
    ];
    let mut nic = Nic::start(params, bus.clone(), source)?;
    let mut rings = Vec::new();
    for dmabuf in [None, gpu.as_ref().map(|(dmabuf, _)| dmabuf.clone())] {
        let memory = Memory { device: device(), zone: zone.clone(), dmabuf };
        rings.push(start(&mut nic, rings.len(), stage, &memory)?);
    }

    let begin = Instant::now();
    let (received, findings) = std::thread::scope(|scope| {
        let (senders, threads): (Vec<_>, Vec<_>) = consumers
            .into_iter()
            .map(|consumer| {
                let (sender, packets) = sync_channel(BACKLOG);
                (sender, scope.spawn(move || consumer.run(packets)))
            })
            .unzip();
        let received = receive(&mut rings, &nic, &senders);
        drop(senders);
        let findings: Vec<Findings> =
            threads.into_iter().map(|thread| thread.join().expect("a consumer panicked")).collect();
        (received, findings)
    });
    let elapsed = begin.elapsed();
    let ended = nic.finish();
    received?;
    ended?;

    let mut queues = Vec::new();
    for (queue, (mut ring, findings)) in rings.into_iter().zip(findings).enumerate() {
        ring.stop();
        let (stats, (payload, headers)) = (ring.stats(), ring.pool_stats());
        let mut driver = stats.rx;
        driver.failed += stats.no_skb;
        queues.push(QueueReport {
            memory: if queue == 1 && stage == Stage::Devmem { "device memory" } else { "host memory" },
            findings,
            driver,
            own: vec![("copied", stats.copied), ("buffers reused at once", stats.reused)],
            nic: nic.queue_stats(queue).unwrap_or_default(),
            payload,
            headers,
            outstanding: ring.outstanding(),
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
    let (device, hostile) = (nic.stats(), args.hostile.is_some());
    Ok(Report { description, dma: args.dma, elapsed, queues, device, dma_stats, leaks, rebinds: 0, hostile })
}

/// Polls the rings in turn until the traffic is over.
fn receive(
    rings: &mut [Box<dyn PortRing>],
    nic: &Nic,
    consumers: &[SyncSender<netmem::skb::Skb>],
) -> Result<(), AnyError> {
    loop {
        // Asked first: what is complete by now is received below.
        let over = nic.has_ended();
        let mut work = 0;
        for (ring, consumer) in rings.iter_mut().zip(consumers) {
            // A consumer that is gone has panicked, which its join will tell.
            work += ring.poll(BUDGET, &mut |skb| consumer.send(skb).err().map(|unsent| unsent.0));
        }
        if work != 0 || nic.has_completions() {
            continue;
        }
        if over {
            return Ok(());
        }
        for (queue, ring) in rings.iter().enumerate() {
            if nic.queue_stats(queue).is_some_and(|stats| stats.no_buffer != 0) {
                let (posted, depth) = ring.posted();
                return Err(format!(
                    "queue {queue} had too few buffers for a frame, {posted} of {depth} descriptors: all of its memory is \
                     posted or held, so use more, smaller net_iovs or smaller frames (--device-memory, --niov-size, --size)"
                )
                .into());
            }
        }
        nic.wait(Duration::from_millis(1));
    }
}
