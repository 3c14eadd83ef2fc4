//! Puts it together: NIC, driver, pools, consumers; runs it; takes it apart, and looks whether anything is left.

use crate::common::args::{Args, BUFFER, Provider};
use crate::common::check::Consumer;
use crate::common::feed::{Feed, Rule};
use crate::common::job::{self, AnyError, BUDGET, DEPTH, Outcome, Receiver};
use crate::common::limits::FRAMES;
use crate::common::report::{Drops, QueueReport, Report};
use crate::common::signals::Interrupt;
use netmem::mm::{PAGE_SIZE, Zone};
use netmem::netdev::{BindOptions, Binding, RxMemory};
use netmem::page_pool::{AnyProvider, Chunk, PagePool, PagePoolParams};
use netmem::provider::{DmabufProvider, PageProvider};
use netmem::skb::{MAX_SKB_FRAGS, Skb};
use netmem_consumers::zcrx::{UserArea, Zcrx, ZcrxParams};
use netmem_drivers::{Driver, QueueConfig, RxStats};
use netmem_sim::dma::DmaBus;
use netmem_sim::nic::{Hostile, Nic, NicParams};
use netmem_sim::{HugeProvider, Memfd};
use std::sync::Arc;

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

/// The driver, and what is bound to queue 1 and unbound while packets come in.
struct Rebound {
    driver: Driver<Nic>,
    provider: AnyProvider,
    options: BindOptions,
    binding: Option<Binding>,
}

impl Receiver for Rebound {
    fn poll(&mut self, mut deliver: impl FnMut(usize, Skb) -> Option<Skb>) -> u32 {
        // It is polled again in any case, so a queue without memory does not stand still.
        self.driver.poll(BUDGET, |skb| deliver(usize::from(skb.queue()), skb)).work
    }

    fn nic(&mut self) -> &mut Nic {
        self.driver.hardware()
    }

    fn posted(&self, queue: usize) -> (usize, usize) {
        self.driver.posted(queue).unwrap_or_default()
    }

    fn accounted(&mut self) -> u64 {
        let device = self.driver.hardware().stats();
        let queues = (0..2).map(|queue| {
            let (stats, drops) = drops(&mut self.driver, queue, false);
            stats.packets + drops.total()
        });
        queues.sum::<u64>() + device.unsteered + device.too_long
    }

    fn change(&mut self) -> Result<(), AnyError> {
        match self.binding.take() {
            Some(binding) => self.driver.unbind(binding)?,
            None => self.binding = Some(self.driver.bind(1, self.provider.clone(), self.options)?),
        }
        Ok(())
    }

    fn is_bound(&self) -> bool {
        self.binding.is_some()
    }
}

/// Bytes of a header buffer.
const HEADER: u32 = 256;

/// What the driver counted on a queue, and the frames that it or the device dropped.
fn drops(driver: &mut Driver<Nic>, queue: usize, hostile: bool) -> (RxStats, Drops) {
    let stats = driver.stats(queue).unwrap_or_default();
    let drops = Drops::new(&stats, &driver.hardware().queue_stats(queue).unwrap_or_default(), hostile);
    let drops = drops.and("no packet", stats.no_packet, false);
    (stats, drops.and("too long for XDP", stats.xdp_multi_buffer, false))
}

/// Runs what was asked for.
pub(crate) fn run(args: &Args, interrupt: &Interrupt) -> Result<Report, AnyError> {
    let bus = job::bus(args.dma);
    let zone = Zone::new(FRAMES)?;
    let second = Second::new(args, &bus, &zone)?;
    let header_size = HEADER as usize;
    let rule = match args.provider {
        Provider::Page | Provider::Huge => Rule::Readable,
        Provider::Dmabuf | Provider::Zcrx => Rule::Unreadable { header_size, needs_headers: false },
    };
    let (feed, expected) = Feed::open(args, rule)?;
    let line = feed.line();

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
    // A packet has so many frags. Buffers that follow each other in a page share one, but nothing promises that they do, so
    // longer frames get larger buffers.
    let buffer_size = if args.max_frame > MAX_SKB_FRAGS * BUFFER { PAGE_SIZE } else { BUFFER } as u32;
    let queue = |memory| QueueConfig { buffer_size, header_size: HEADER, ..QueueConfig::new(memory) };
    let queues = vec![queue(RxMemory::new(host()?, None)), queue(RxMemory::new(payload, Some(headers)))];
    drop((pages, page_params));

    let params = NicParams {
        queues: 2,
        depth: DEPTH,
        steering: vec![(args.ports[0], 0), (args.ports[1], 1)],
        default_queue: feed.default_queue(),
        max_frame: args.max_frame,
        hostile: args.hostile.map(Hostile::every),
        ..NicParams::default()
    };
    let [first, other] = expected;
    let view = second.memfd.as_ref().map(|memfd| memfd.map()).transpose()?;
    let consumers = [
        Consumer::new(0, &args.source, args.ports[0], first, None),
        Consumer::new(1, &args.source, args.ports[1], other, view),
    ];
    let nic = Nic::start(params, bus.clone(), Box::new(feed))?;
    let driver = Driver::new(nic, queues)?;

    let net_iovs = matches!(args.provider, Provider::Dmabuf | Provider::Zcrx);
    // As in Linux: a size is asked for when it is not a page's.
    let rx_page_size = if net_iovs && args.niov_size != 4096 { args.niov_size as u32 } else { 0 };
    let (provider, options) = (second.provider.clone(), BindOptions { rx_page_size });
    let mut rebound = Rebound { driver, provider, options, binding: None };
    let outcome = job::run(args, &mut rebound, &line, consumers, interrupt)?;
    let Outcome { findings, elapsed, interrupted, failed } = outcome;

    // Take it apart, and look whether anything is left.
    let Rebound { mut driver, provider, .. } = rebound;
    let counted: Vec<_> = (0..2).map(|queue| drops(&mut driver, queue, args.hostile.is_some())).collect();
    let device = driver.hardware().stats();
    let napi = driver.stop();
    let mut queues = Vec::new();
    for (queue, (findings, (driver, drops))) in findings.into_iter().zip(counted).enumerate() {
        let memory = napi.memory(queue).ok_or("a queue without memory")?;
        queues.push(QueueReport {
            memory: ["host memory", Second::name(args)][queue],
            findings,
            driver,
            drops,
            own: Vec::new(),
            payload: memory.payload().stats(),
            headers: memory.headers().map(|pool| pool.stats()),
            outstanding: memory.payload().in_use() + memory.headers().map_or(0, |pool| pool.in_use()),
            sent_to_be_dropped: line.by_rule(queue),
        });
    }
    drop(napi);
    let mut leaks = Vec::new();
    if zone.free_frames() != zone.frames() {
        leaks.push(format!("{} of {} pages did not come back", zone.frames() - zone.free_frames(), zone.frames()));
    }
    drop(provider);
    if let Some((out, total)) = second.out().filter(|(out, _)| *out != 0) {
        leaks.push(format!("{out} of {total} net_iovs did not come back"));
    }
    let dma_stats = bus.stats();
    if dma_stats.mapped() != 0 {
        leaks.push(format!("{} DMA mappings are left", dma_stats.mapped()));
    }
    let (sent, rebinds, hostile) = (line.given(), (line.met(), args.rebind), args.hostile.is_some());
    let (told, dma) = (line.told(), args.dma);
    Ok(Report { told, sent, dma, elapsed, queues, device, dma_stats, leaks, rebinds, hostile, interrupted, failed })
}

/// Two chunks, as a scatter-gather table would have, where they divide into net_iovs.
fn scatter(len: usize, niov_size: usize) -> Vec<Chunk> {
    let half = len / 2;
    let cuts = niov_size != 0 && half != 0 && half % niov_size == 0;
    let starts = if cuts { vec![0, half] } else { vec![0] };
    let ends = starts.iter().skip(1).chain([&len]);
    starts.iter().zip(ends).map(|(&offset, &end)| Chunk { offset, len: end - offset }).collect()
}
