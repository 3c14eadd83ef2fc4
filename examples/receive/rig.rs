//! Puts it together: NIC, driver, pools, consumers; runs it; takes it apart, and looks whether anything is left.

use crate::args::{Args, Dma, Provider, Source};
use crate::check::{Consumer, Findings};
use crate::report::{QueueReport, Report};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use netmem::dma::{Bounce, Coherent, DmaBus, Iommu};
use netmem::driver::netmem::{Driver, QueueConfig};
use netmem::mm::Zone;
use netmem::netdev::{BindOptions, Binding, RxMemory};
use netmem::nic::traffic::{Capture, Generator, GeneratorParams, Tap, TapParams, Traffic};
use netmem::nic::{Hostile, Nic, NicParams};
use netmem::page_pool::{AnyProvider, PagePool, PagePoolParams};
use netmem::provider::zcrx::{UserArea, Zcrx, ZcrxParams};
use netmem::provider::{Chunk, DmabufProvider, HugeProvider, Memfd, PageProvider};
use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// The longest frame, in bytes.
const MAX_FRAME: usize = 9216;
/// Descriptors in each ring.
const DEPTH: u32 = 512;
/// Packets a poll may receive.
const BUDGET: u32 = 64;
/// Packets between the driver and a consumer.
const BACKLOG: usize = 1024;
/// Frames of host memory: 64 MiB.
const FRAMES: usize = 16384;
/// How long nothing may arrive while there is something to receive.
const STALL: Duration = Duration::from_secs(10);

type AnyError = Box<dyn Error>;

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
        Source::Generator { seed, size } => {
            let (seed, packets, size, ports) = (*seed, args.packets, *size, args.ports.to_vec());
            Box::new(Generator::new(GeneratorParams { seed, packets, size, ports }, MAX_FRAME)?)
        }
        Source::Capture(file) => Box::new(Capture::open(file, MAX_FRAME)?),
        Source::Tap(name) => {
            let address = [198, 18, 77, 1].into();
            let tap = Tap::open(TapParams { name: name.clone(), address, prefix: 24, mtu: 1500 })?;
            let (device, [host, gpu]) = (tap.name(), args.ports);
            eprintln!("{device} is up: send UDP to 198.18.77.2, port {host} for queue 0 and {gpu} for queue 1");
            Box::new(tap)
        }
    })
}

/// What queue 1 receives into.
struct Second {
    provider: AnyProvider,
    /// The owner's view of memory that the CPU cannot read.
    memfd: Option<Arc<Memfd>>,
    dmabuf: Option<Arc<DmabufProvider>>,
    zcrx: Option<Zcrx>,
}

impl Second {
    fn new(args: &Args, bus: &Arc<dyn DmaBus>, zone: &Zone) -> Result<Self, AnyError> {
        let device = || bus.clone().driver_side();
        let own = |provider| Second { provider, memfd: None, dmabuf: None, zcrx: None };
        Ok(match args.provider {
            Provider::Page => own(PageProvider::new(zone.clone()).into()),
            Provider::Huge => own(HugeProvider::new(zone.clone()).into()),
            Provider::Dmabuf => {
                let gpu = Memfd::new("netmem-gpu", args.device_memory)?;
                let chunks = scatter(args.device_memory, args.niov_size);
                let dmabuf = DmabufProvider::bind(device(), gpu.clone(), &chunks, args.niov_size)?;
                Second { provider: dmabuf.clone().into(), memfd: Some(gpu), dmabuf: Some(dmabuf), zcrx: None }
            }
            Provider::Zcrx => {
                let program = Memfd::new("netmem-program", args.device_memory)?;
                let mut params = ZcrxParams::new(device(), 256);
                params.rx_buf_len = u32::try_from(args.niov_size).unwrap_or(u32::MAX);
                let (zcrx, _refill) = Zcrx::register(params, UserArea::whole(program.clone()))?;
                let provider = zcrx.provider().clone().into();
                Second { provider, memfd: Some(program), dmabuf: None, zcrx: Some(zcrx) }
            }
        })
    }

    /// What it is called.
    fn name(args: &Args) -> &'static str {
        match args.provider {
            Provider::Page => "host memory",
            Provider::Huge => "huge pages",
            Provider::Dmabuf => "device memory",
            Provider::Zcrx => "user memory",
        }
    }

    /// How many net_iovs are out, of how many, once everything else is gone.
    fn out(self) -> Option<(usize, usize)> {
        match (self.dmabuf, self.zcrx) {
            (Some(dmabuf), _) => Some((dmabuf.total() - dmabuf.available(), dmabuf.total())),
            (_, Some(zcrx)) => Some((zcrx.provider().total() - zcrx.provider().available(), zcrx.provider().total())),
            _ => None,
        }
    }
}

/// Binds the second provider to queue 1 and unbinds it, while packets come in.
struct Rebinding {
    provider: AnyProvider,
    options: BindOptions,
    binding: Option<Binding>,
    done: u64,
    wanted: u64,
    /// Packets between two changes.
    every: u64,
    /// Packets at the last change.
    last: u64,
}

impl Rebinding {
    fn new(args: &Args, provider: AnyProvider) -> Self {
        let net_iovs = matches!(args.provider, Provider::Dmabuf | Provider::Zcrx);
        // As in Linux: a size is asked for when it is not a page's.
        let rx_page_size = if net_iovs && args.niov_size != 4096 { args.niov_size as u32 } else { 0 };
        let every = args.packets / (2 * args.rebind + 1).max(1);
        let options = BindOptions { rx_page_size };
        Rebinding { provider, options, binding: None, done: 0, wanted: args.rebind, every, last: 0 }
    }

    fn is_done(&self) -> bool {
        self.done == self.wanted && self.binding.is_none()
    }

    /// Makes the next change if it is due, or the traffic is over.
    fn turn(&mut self, driver: &mut Driver<Nic>, packets: u64, over: bool) -> Result<(), AnyError> {
        if self.is_done() || packets - self.last < self.every && !over {
            return Ok(());
        }
        self.last = packets;
        match self.binding.take() {
            Some(binding) => driver.unbind(binding)?,
            None => {
                self.binding = Some(driver.bind(1, self.provider.clone(), self.options)?);
                self.done += 1;
            }
        }
        Ok(())
    }
}

/// Runs what was asked for.
pub(crate) fn run(args: &Args) -> Result<Report, AnyError> {
    let bus = bus(args.dma);
    let zone = Zone::new(FRAMES)?;
    let second = Second::new(args, &bus, &zone)?;
    let source = traffic(args)?;
    let description = source.describe();

    let pages = PageProvider::new(zone.clone());
    let page_params = PagePoolParams::for_device(bus.clone().driver_side(), 4096);
    let headers = PagePool::<netmem::Page>::new(page_params.clone(), pages.clone())?;
    let host = || PagePool::new(page_params.clone(), AnyProvider::from(pages.clone()));
    let payload = match args.rebind {
        0 => {
            let max_len = second.dmabuf.as_ref().map_or(4096, |dmabuf| dmabuf.niov_size());
            let max_len = second.zcrx.as_ref().map_or(max_len, |zcrx| zcrx.provider().niov_size());
            let params = PagePoolParams::for_device(bus.clone().driver_side(), max_len);
            PagePool::new(params, second.provider.clone())?
        }
        _ => host()?,
    };
    let host = RxMemory { payload: host()?, headers: None };
    let device = RxMemory { payload, headers: Some(headers) };
    drop((pages, page_params));

    let tap = matches!(args.source, Source::Tap(_));
    let params = NicParams {
        queues: 2,
        depth: DEPTH,
        steering: vec![(args.ports[0], 0), (args.ports[1], 1)],
        // The kernel sends more to a TAP than what was asked for: router solicitations, say.
        default_queue: (!tap).then_some(0),
        max_frame: MAX_FRAME,
        hostile: args.hostile.map(Hostile::every),
        ..NicParams::default()
    };
    let consumers = [
        Consumer::new(0, &args.source, args.ports, MAX_FRAME, None)?,
        Consumer::new(
            1,
            &args.source,
            args.ports,
            MAX_FRAME,
            second.memfd.as_ref().map(|memfd| memfd.map()).transpose()?,
        )?,
    ];
    let nic = Nic::start(params, bus.clone(), source)?;
    let mut driver = Driver::new(nic, vec![QueueConfig::new(host), QueueConfig::new(device)])?;

    let mut rebinding = Rebinding::new(args, second.provider.clone());
    let progress = progress(args);
    let start = Instant::now();
    let (received, findings) = std::thread::scope(|scope| {
        let (senders, threads): (Vec<_>, Vec<_>) = consumers
            .into_iter()
            .map(|consumer| {
                let (sender, packets) = sync_channel(BACKLOG);
                (sender, scope.spawn(move || consumer.run(packets)))
            })
            .unzip();
        let received = receive(&mut driver, &senders, tap.then_some(args.packets), &mut rebinding, &progress);
        drop(senders);
        let findings: Vec<Findings> =
            threads.into_iter().map(|thread| thread.join().expect("a consumer panicked")).collect();
        (received, findings)
    });
    let elapsed = start.elapsed();
    progress.finish_and_clear();
    let ended = driver.hardware().finish();
    received?;
    ended?;

    // Take it apart, and look whether anything is left.
    let stats: Vec<_> = (0..2).map(|queue| driver.stats(queue).unwrap_or_default()).collect();
    let nic_stats: Vec<_> = (0..2).map(|queue| driver.hardware().queue_stats(queue).unwrap_or_default()).collect();
    let device = driver.hardware().stats();
    let napi = driver.stop();
    let mut queues = Vec::new();
    for (queue, findings) in findings.into_iter().enumerate() {
        let memory = napi.memory(queue).ok_or("a queue without memory")?;
        queues.push(QueueReport {
            memory: ["host memory", Second::name(args)][queue],
            findings,
            driver: stats[queue],
            own: Vec::new(),
            nic: nic_stats[queue],
            payload: memory.payload.stats(),
            headers: memory.headers.as_ref().map(|pool| pool.stats()),
            outstanding: memory.payload.outstanding() + memory.headers.as_ref().map_or(0, |pool| pool.outstanding()),
        });
    }
    drop(napi);
    let mut leaks = Vec::new();
    if zone.free_frames() != zone.frames() {
        leaks.push(format!("{} of {} pages did not come back", zone.frames() - zone.free_frames(), zone.frames()));
    }
    let rebinds = rebinding.done;
    drop(rebinding);
    if let Some((out, total)) = second.out().filter(|(out, _)| *out != 0) {
        leaks.push(format!("{out} of {total} net_iovs did not come back"));
    }
    let dma = bus.stats();
    if dma.mapped() != 0 {
        leaks.push(format!("{} DMA mappings are left", dma.mapped()));
    }
    Ok(Report {
        description,
        dma: args.dma,
        elapsed,
        queues,
        device,
        dma_stats: dma,
        leaks,
        rebinds,
        hostile: args.hostile.is_some(),
    })
}

/// Two chunks, as a scatter-gather table would have, where they divide into net_iovs.
fn scatter(len: usize, niov_size: usize) -> Vec<Chunk> {
    let half = len / 2;
    let cuts = niov_size != 0 && half != 0 && half % niov_size == 0;
    let starts = if cuts { vec![0, half] } else { vec![0] };
    let ends = starts.iter().skip(1).chain([&len]);
    starts.iter().zip(ends).map(|(&offset, &end)| Chunk { offset, len: end - offset }).collect()
}

fn progress(args: &Args) -> ProgressBar {
    let total = match args.source {
        Source::Capture(_) => None,
        _ => Some(args.packets),
    };
    // Draws on a terminal only.
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(5));
    let style = "{elapsed_precise} {wide_bar} {pos}/{len} packets, {per_sec}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

/// Polls until the traffic is over, or `limit` packets have come.
fn receive(
    driver: &mut Driver<Nic>,
    consumers: &[SyncSender<netmem::skb::Skb>],
    limit: Option<u64>,
    rebinding: &mut Rebinding,
    progress: &ProgressBar,
) -> Result<(), AnyError> {
    let (mut packets, mut last) = (0_u64, Instant::now());
    loop {
        // Asked first: what is complete by now is received below.
        let over = driver.hardware().has_ended();
        let mut received = 0;
        let work = driver.poll(BUDGET, |skb| {
            received += 1;
            match consumers.get(usize::from(skb.queue())) {
                // A consumer that is gone has panicked, which its join will tell.
                Some(consumer) => consumer.send(skb).err().map(|unsent| unsent.0),
                None => Some(skb),
            }
        });
        packets += received;
        progress.inc(received);
        if received != 0 {
            last = Instant::now();
        }
        let limited = limit.is_some_and(|limit| packets >= limit);
        rebinding.turn(driver, packets, limited || over && work == 0)?;
        if limited && rebinding.is_done() {
            return Ok(());
        }
        if work < BUDGET && !driver.hardware().has_completions() {
            if over {
                if rebinding.is_done() {
                    return Ok(());
                }
                continue;
            }
            for queue in 0..consumers.len() {
                let starved = driver.hardware().queue_stats(queue).is_some_and(|stats| stats.no_buffer != 0);
                if starved || limit.is_none() && last.elapsed() > STALL {
                    let (posted, depth) = driver.posted(queue).unwrap_or_default();
                    return Err(format!(
                        "queue {queue} had too few buffers for a frame, {posted} of {depth} descriptors, after {packets} \
                         packets: all of its memory is posted or held, so use more, smaller net_iovs or smaller frames \
                         (--device-memory, --niov-size, --size)"
                    )
                    .into());
                }
            }
            driver.hardware().wait(Duration::from_millis(1));
        }
    }
}
