//! [`Driver`]: receives into host memory and into device memory, and does not ask which.
//!
//! The receive path of a queue is in `queue.rs`: read that first.
//!
//! A queue gets other memory while the others go on ([`Driver::bind`]): as [`QueueMgmt`](netdev::QueueMgmt), the driver makes new memory and fills
//! a ring with it before the old one is stopped, and takes no interest in what kind it is.

mod error;
mod memory;
mod plan;
mod queue;
mod stats;

pub use error::{DriverError, XdpError};
pub use memory::QueueMemory;
pub use plan::QueuePlan;
pub use stats::RxStats;

use crate::transmit::Transmitter;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use netmem::Refused;
use netmem::memory::Page;
use netmem::netdev::{
    self, BindError, BindOptions, Binding, ConfigError, Hardware, HeaderSplit, Napi, NetDevice, RxKind, RxMemory,
    RxRing, TxHardware, UnbindError, UnreadableRx, Xdp,
};
use netmem::page_pool::{AnyProvider, MemoryProvider};
use netmem::skb::Skb;
use plan::{Sizes, are_mapped_for};
use queue::{Frame, RxQueue};

/// Receives on the queues of a device.
///
/// A packet with bytes that the CPU cannot read is delivered if the device has verified its checksum. Else it is dropped, and
/// counted in [`unsummed`](RxStats::unsummed) (rule S3).
///
/// Dropping it stops the rings, then drops the pools; packets that are out keep their memory.
pub struct Driver<H: Hardware> {
    // Dropped in this order: the rings stop the device, then providers are told, before the pools unmap what it wrote to.
    queues: Vec<RxQueue<H>>,
    net: NetDevice<H::Rx>,
    /// The queue that the next poll begins with, so that no queue starves another.
    first: usize,
    napi: Napi,
    xdp: Option<Xdp>,
    hardware: H,
}

/// What a [poll](Driver::poll) has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a queue that is starved gets no interrupt: poll again when memory may have returned"]
pub struct Polled {
    /// How much of the budget was used: one for each frame that ended, delivered or dropped, and one for each completion that
    /// was refused. So a device that reports nonsense cannot keep a poll from ending.
    pub work: u32,
    /// A queue has no memory for the next frame, so no interrupt will come for it. [`Driver::is_starved`] says which.
    pub starved: bool,
}

/// How one queue is set up.
#[derive(Debug)]
pub struct QueueConfig {
    /// What it receives into. With a pool for headers, headers are split off.
    pub memory: RxMemory,
    /// Bytes of a payload buffer, at least 64 and at most what a piece of the pool's memory has.
    pub buffer_size: u32,
    /// Bytes of a header buffer, at least 64 and at most what a page of the headers' pool has. Over Linux it has
    /// [`Skb::head_room`] bytes behind the headers, too, or they are copied.
    pub header_size: u32,
}

impl QueueConfig {
    /// A queue that receives whole frames into buffers of 2 KiB.
    pub fn new(memory: RxMemory) -> Self {
        QueueConfig { memory, buffer_size: 2048, header_size: 256 }
    }
}

impl<H: Hardware> Driver<H> {
    /// Starts receiving: one ring for each configuration, filled as far as there is memory.
    ///
    /// # Errors
    ///
    /// [`DriverError`]. Hardware and pools are dropped then, and their memory is back with its providers.
    pub fn new(hardware: H, config: Vec<QueueConfig>) -> Result<Self, DriverError>
    where
        H::Rx: UnreadableRx,
    {
        Self::start_all(hardware, config)
    }

    /// The same for a device whose kind is `Page`, which does not declare unreadable memory (rule P3).
    ///
    /// # Errors
    ///
    /// [`DriverError`]; also when the memory of a queue cannot be read.
    pub fn readable(hardware: H, config: Vec<QueueConfig>) -> Result<Self, DriverError> {
        Self::start_all(hardware, config)
    }

    fn start_all(mut hardware: H, config: Vec<QueueConfig>) -> Result<Self, DriverError> {
        let count = config.len();
        let capabilities = hardware.capabilities();
        let max_frame = capabilities.max_frame;
        let mut net = NetDevice::new(capabilities, count).map_err(|_| DriverError::NoMemory { queues: count })?;
        let (mut queues, mut memory) = (Vec::new(), Vec::new());
        for (queue, config) in config.into_iter().enumerate() {
            let QueueConfig { memory: pools, buffer_size, header_size } = config;
            check_size(queue, "payload", buffer_size, pools.payload().piece_size())?;
            if let Some(headers) = pools.headers() {
                check_size(queue, "header", header_size, headers.piece_size())?;
                let split = net.set_header_split(queue, HeaderSplit::On { threshold: 0 });
                split.map_err(|_| DriverError::NoHeaderSplit { queue })?;
            }
            let hardware_queue = hardware.rx_queue(queue).ok_or(DriverError::NoQueue { queue })?;
            let ring = RxRing::new(hardware_queue).map_err(|reason| DriverError::NoRing { queue, reason })?;
            if !are_mapped_for(&pools, ring.device().id()) {
                return Err(DriverError::OtherDevice { queue });
            }
            if pools.payload().is_unreadable() {
                let provider = H::Rx::provider(pools.payload().provider().clone());
                let provider = provider.map_err(|_| DriverError::Unreadable { queue })?;
                let started = net.started_on(queue, provider);
                debug_assert!(started.is_ok(), "the queue is new, so nothing is bound to it");
            }
            let plan = QueuePlan::new(&pools, ring.device().clone(), buffer_size, header_size);
            queues.push(RxQueue {
                ring: Some(ring),
                plan,
                sizes: Sizes { buffer: buffer_size, header: header_size, headroom: 0 },
                max_frame,
                frame: Frame::None,
                ready: VecDeque::new(),
                stats: RxStats::default(),
            });
            memory.push(pools);
        }
        let napi = Napi::of_kernel(hardware.napi(), memory);
        let mut driver = Driver { queues, net, first: 0, napi, xdp: None, hardware };
        let mut refused = None;
        driver.napi.poll(1, |poll| {
            for (queue, rx) in driver.queues.iter_mut().enumerate() {
                let reason = rx.refill(queue, poll);
                refused = refused.take().or(reason.map(|reason| DriverError::Post { queue, reason }));
            }
            0
        });
        refused.map_or(Ok(driver), Err)
    }

    /// Binds memory to a queue while the device runs: [`netdev::bind`].
    ///
    /// What the queue had received is delivered by the next poll, so no frame is lost.
    ///
    /// # Errors
    ///
    /// [`BindError`], with the reason and the provider. The queue goes on as before.
    pub fn bind(
        &mut self,
        queue: usize,
        provider: AnyProvider,
        options: BindOptions,
    ) -> Result<Binding, Refused<BindError, AnyProvider>>
    where
        H::Rx: UnreadableRx,
    {
        netdev::bind(self, queue, provider, options)
    }

    /// Binds memory that the CPU can read, for a device that need declare nothing: [`netdev::bind_pages`].
    ///
    /// # Errors
    ///
    /// As for [`bind`](Self::bind).
    pub fn bind_pages(
        &mut self,
        queue: usize,
        provider: Arc<dyn MemoryProvider<Kind = Page>>,
        options: BindOptions,
    ) -> Result<Binding, Refused<BindError, AnyProvider>> {
        netdev::bind_pages(self, queue, provider, options)
    }

    /// Puts the driver's own pages back: [`netdev::unbind`].
    ///
    /// # Errors
    ///
    /// [`UnbindError`], with the reason and the binding.
    pub fn unbind(&mut self, binding: Binding) -> Result<(), Refused<UnbindError, Binding>> {
        netdev::unbind(self, binding)
    }

    /// Begins to go away: providers are taken off their queues, and nothing is bound any more.
    pub fn unregister(&mut self) {
        self.net.unregister();
    }

    /// Attaches an XDP program, or detaches it with `None`, and gives the one that was attached. All queues are restarted, with
    /// headroom of [`XdpBuff::HEADROOM`](netdev::XdpBuff::HEADROOM) bytes, or without.
    ///
    /// The program sees each frame in one piece. A frame that is no whole Ethernet header is dropped before
    /// ([`too_short`](RxStats::too_short)), and so is one that comes in several buffers although the device said that none is
    /// that long ([`xdp_multi_buffer`](RxStats::xdp_multi_buffer)).
    ///
    /// # Errors
    ///
    /// [`XdpError`], with the reason and the program: while memory of a provider is bound, or headers are split off, or when
    /// the longest frame of the device does not fit a buffer. What was attached is attached still.
    #[doc(alias = "ndo_bpf")]
    #[doc(alias = "dev_xdp_attach")]
    pub fn attach_xdp(&mut self, xdp: Option<Xdp>) -> Result<Option<Xdp>, Refused<XdpError, Option<Xdp>>> {
        if let (Some(reason), Some(_)) = ((0..self.queues.len()).find_map(|queue| self.hides(queue)), &xdp) {
            return Err(Refused { reason, back: xdp });
        }
        if let Err(reason) = self.net.set_xdp(xdp.is_some()) {
            return Err(Refused { reason: reason.into(), back: xdp });
        }
        // No program runs while queues restart: what has arrived is delivered as it is.
        let (new, old) = (xdp, self.xdp.take());
        if old.is_some() == new.is_some() {
            self.xdp = new;
            return Ok(old);
        }
        for queue in 0..self.queues.len() {
            let Err(reason) = netdev::restart(self, queue) else { continue };
            // The others as they were. Nothing is bound, so this is not refused; and they have what they need: the last
            // restart freed it.
            let undone = self.net.set_xdp(old.is_some());
            debug_assert!(undone.is_ok(), "nothing is bound");
            for queue in 0..queue {
                let _ = netdev::restart(self, queue);
            }
            self.xdp = old;
            return Err(Refused { reason: XdpError::Restart { queue, reason }, back: new });
        }
        self.xdp = new;
        Ok(old)
    }

    /// Why a program would not see the frames of a queue whole. It asks what the queue runs on, whatever the core has noted.
    fn hides(&self, queue: usize) -> Option<XdpError> {
        let (memory, buffer) = (self.napi.memory(queue)?, self.queues[queue].sizes.buffer);
        if memory.headers().is_some() {
            return Some(XdpError::HeaderSplit { queue });
        }
        if memory.payload().is_unreadable() {
            return Some(ConfigError::Bound { queue }.into());
        }
        let max_frame = self.hardware.capabilities().max_frame;
        (buffer < max_frame).then_some(XdpError::FrameSize { queue, max_frame, buffer })
    }

    /// Receives up to `budget` frames, over all queues, and refills the rings. [`Polled`] says how much of the budget was
    /// used, and whether a queue is starved.
    ///
    /// `deliver` gets each packet. It keeps the packet, or gives it back to be recycled at once (an early drop). With a
    /// budget of 0 nothing is received and nothing refilled.
    ///
    /// Poll again at once when the whole budget was used, else when the device has raised its interrupt. **When a queue is
    /// starved, poll again even without an interrupt**: after a while, or when memory has returned. The device has no buffers to
    /// complete, so it raises none, and the queue would stand still for good.
    #[doc(alias = "napi_poll")]
    pub fn poll(&mut self, budget: u32, mut deliver: impl FnMut(Skb) -> Option<Skb>) -> Polled {
        netdev::unbind_dropped(self);
        self.restart_halted();
        let (queues, first, xdp) = (&mut self.queues, self.first, &mut self.xdp);
        self.first = (first + 1) % queues.len().max(1);
        let work = self.napi.poll(budget, |poll| {
            let mut work = 0;
            for turn in 0..queues.len() {
                let index = (first + turn) % queues.len();
                let queue = &mut queues[index];
                work += queue.deliver_ready(poll.budget() - work, poll, &mut deliver);
                work += queue.receive(index, poll.budget() - work, poll, xdp, &mut deliver);
                queue.refill(index, poll);
            }
            work
        });
        Polled { work, starved: (0..self.queues.len()).any(|queue| self.is_starved(queue)) }
    }

    /// Returns whether the device has fewer buffers of a queue than its longest frame takes, because a pool had no more memory.
    /// A queue that is stopped is not starved.
    pub fn is_starved(&self, queue: usize) -> bool {
        self.queues.get(queue).is_some_and(RxQueue::is_starved)
    }

    /// Restarts queues that were halted and not started again, because a program panicked in between.
    fn restart_halted(&mut self) {
        let halted = |queue: &RxQueue<H>| queue.ring.as_ref().is_some_and(|ring| !ring.is_running());
        while let Some(queue) = self.queues.iter().position(halted) {
            if netdev::restart(self, queue).is_err() {
                break;
            }
        }
    }

    /// Reaps what a transmitter of the same device has sent: pages of this driver's pools go back into their caches.
    /// Says how many packets that was.
    pub fn clean(&mut self, transmitter: &mut Transmitter<H::TxQueue>) -> u64
    where
        H: TxHardware,
    {
        self.napi.poll(1, |poll| transmitter.clean(poll))
    }

    /// What a queue has counted.
    pub fn stats(&self, queue: usize) -> Option<RxStats> {
        self.queues.get(queue).map(|queue| queue.stats)
    }

    /// How many descriptors of a queue the device has, of how many.
    pub fn posted(&self, queue: usize) -> Option<(usize, usize)> {
        let ring = self.queues.get(queue)?.ring.as_ref();
        Some(ring.map_or((0, 0), |ring| (ring.posted(), ring.depth())))
    }

    /// Returns how memory is made for a queue, to make some beside a poll; `None` when there is no such queue.
    pub fn plan(&self, queue: usize) -> Option<&QueuePlan> {
        self.queues.get(queue).map(|queue| &queue.plan)
    }

    /// The pools, to look at.
    pub fn napi(&self) -> &Napi {
        &self.napi
    }

    /// The device.
    pub fn hardware(&mut self) -> &mut H {
        &mut self.hardware
    }

    /// Stops the rings and recycles what was posted. The pools are left, with what is still out.
    pub fn stop(self) -> Napi {
        let Driver { queues, net, first: _, mut napi, xdp: _, hardware: _ } = self;
        for (index, queue) in queues.into_iter().enumerate() {
            napi.poll(1, |poll| {
                if let Frame::Some(skb) = queue.frame {
                    poll.recycle(skb);
                }
                queue.ready.into_iter().for_each(|skb| poll.recycle(skb));
                for (payload, header) in queue.ring.into_iter().flat_map(RxRing::stop) {
                    if let Some(memory) = poll.memory(index) {
                        memory.payload_mut().recycle_received(payload);
                        if let (Some(header), Some(headers)) = (header, memory.headers_mut()) {
                            headers.recycle_received(header);
                        }
                    }
                }
            });
        }
        drop(net);
        napi
    }
}

fn check_size(queue: usize, what: &'static str, size: u32, max: u32) -> Result<(), DriverError> {
    if (64..=max).contains(&size) { Ok(()) } else { Err(DriverError::BufferSize { queue, what, size, max }) }
}

impl<H: Hardware> fmt::Debug for Driver<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("queues", &self.queues.len()).field("napi", &self.napi).finish()
    }
}
