//! [`Driver`]: receives into host memory and into device memory, and does not ask which.
//!
//! The life of a buffer is the life of a value:
//!
//! ```text
//!  pool.alloc_frag ──▶ Frag ──post──▶ (in the ring) ──complete──▶ Received ──sync_for_cpu──▶ Frag ──▶ Skb
//!       ▲                                                            │ (bad frame)                      │
//!       └───────────────────────── recycle_frag, or drop ────────────┴──────────────────────────────────┘
//! ```
//!
//! Each arrow takes the value on its left. There is no flag to say who owns a buffer, and no error path that could
//! forget one.
//!
//! A queue gets other memory while the others go on ([`Driver::bind`]): as [`QueueMgmt`](netdev::QueueMgmt), the driver makes new memory and fills
//! a ring with it before the old one is stopped, and takes no interest in what kind it is.

mod memory;

pub use memory::QueueMemory;

use super::transmit::Transmitter;
use super::{Hardware, TxHardware};
use crate::memory::Page;
use crate::netdev::{
    self, BadCompletion, BindError, BindOptions, Binding, Completed, ConfigRefused, HeaderSplit, Napi, NetDevice, Poll,
    PostRefused, RestartError, RxKind, RxMemory, RxRing, UnbindError, UnreadableRx, Xdp, XdpBuff, XdpOutcome,
};
use crate::page_pool::{AnyProvider, MemoryProvider};
use crate::skb::{IpSummed, Skb, check_frame};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use memory::{Plan, Sizes, are_mapped_for, fill};

/// Receives on the queues of a device.
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

/// How one queue is set up.
#[derive(Debug)]
pub struct QueueConfig {
    /// What it receives into. With a pool for headers, headers are split off.
    pub memory: RxMemory,
    /// Bytes of a payload buffer, at least 64 and at most what a piece of the pool's memory has.
    pub buffer_size: u32,
    /// Bytes of a header buffer, at least 64 and at most what a page of the headers' pool has.
    pub header_size: u32,
}

impl QueueConfig {
    /// A queue that receives whole frames into buffers of 2 KiB.
    pub fn new(memory: RxMemory) -> Self {
        QueueConfig { memory, buffer_size: 2048, header_size: 256 }
    }
}

/// Why the driver did not start.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The device has no such queue.
    #[error("the device has no receive queue {queue}: configure as many as it has")]
    NoQueue {
        /// Which.
        queue: usize,
    },
    /// A buffer would be too small or larger than the memory it comes from.
    #[error("queue {queue}: {what} buffers of {size} bytes are not possible: use 64 to {max}")]
    BufferSize {
        /// Which queue.
        queue: usize,
        /// "payload" or "header".
        what: &'static str,
        /// What was asked for.
        size: u32,
        /// What the pool's memory allows.
        max: u32,
    },
    /// A pool's memory is not mapped for the device.
    #[error("queue {queue}: a pool is not mapped for this device: make it with PagePoolParams::for_device of this one")]
    OtherDevice {
        /// Which.
        queue: usize,
    },
    /// The memory cannot be read, and the driver does not declare that this is fine (rule P3).
    #[error("queue {queue}: its memory cannot be read by the CPU: use a device that declares it, with Driver::new")]
    Unreadable {
        /// Which.
        queue: usize,
    },
    /// Headers are to be split off, and the device cannot.
    #[error("queue {queue}: the device cannot split headers off: configure no pool for headers")]
    NoHeaderSplit {
        /// Which.
        queue: usize,
    },
    /// The ring refuses buffers of a pool.
    #[error("queue {queue}: {reason}")]
    Post {
        /// Which.
        queue: usize,
        /// Why.
        reason: PostRefused,
    },
    /// No memory for the driver itself.
    #[error("no memory to note {queues} queues")]
    NoMemory {
        /// How many.
        queues: usize,
    },
    /// No memory for a ring, or a depth that no ring has.
    #[error("queue {queue}: no ring: its depth is not 1 to 32768, or there is no memory for it")]
    NoRing {
        /// Which.
        queue: usize,
    },
}

/// What a queue has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RxStats {
    /// Packets that have arrived: delivered, or in the backlog of a restart, to be delivered by the next poll.
    pub packets: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Descriptors posted; with header buffers each stands for two.
    pub posted: u64,
    /// Times a ring could not be filled: a pool had no memory, or the ring refused a buffer.
    pub alloc_failed: u64,
    /// Completions with an index that no descriptor has.
    pub bad_index: u64,
    /// Completions for a descriptor that was not out.
    pub not_posted: u64,
    /// Frames dropped because a length did not fit the buffer, or headers came after the first one.
    pub bad_length: u64,
    /// Frames dropped because they end within their Ethernet header.
    pub too_short: u64,
    /// Frames dropped because the device failed to receive them.
    pub failed: u64,
    /// Frames dropped because they had more buffers than an skb has frags.
    pub too_many_frags: u64,
    /// Packets that an XDP program dropped.
    pub xdp_drop: u64,
    /// Packets that an XDP program sent, or sent elsewhere.
    pub xdp_sent: u64,
    /// Packets that an XDP program wanted to send, and that were not taken.
    pub xdp_unsent: u64,
    /// Frames dropped because they have several buffers, and an XDP program sees one.
    pub xdp_multi_buffer: u64,
}

impl RxStats {
    /// Frames dropped and completions refused, by cause.
    pub fn drops(&self) -> [(&'static str, u64); 7] {
        [
            ("bad index", self.bad_index),
            ("not posted", self.not_posted),
            ("bad length", self.bad_length),
            ("too short", self.too_short),
            ("failed", self.failed),
            ("too many frags", self.too_many_frags),
            ("too long for XDP", self.xdp_multi_buffer),
        ]
    }
}

struct RxQueue<H: Hardware> {
    /// `None` while the queue is stopped.
    ring: Option<RxRing<H::Queue>>,
    plan: Plan,
    sizes: Sizes,
    frame: Frame,
    /// What had arrived when the queue was restarted: to be delivered by the next poll.
    ready: VecDeque<Skb>,
    stats: RxStats,
}

/// Why an XDP program was not attached or detached. It comes back.
#[derive(Debug)]
pub struct XdpError {
    /// Why.
    pub reason: XdpRefused,
    /// The program.
    pub xdp: Option<Xdp>,
}

impl fmt::Display for XdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl core::error::Error for XdpError {}

/// Why an XDP program was not attached or detached.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XdpRefused {
    /// Memory of a provider is bound to a queue, or the device is going away.
    #[error(transparent)]
    Config(#[from] ConfigRefused),
    /// A program sees a packet in one piece.
    #[error(
        "queue {queue} splits headers off, and a program sees packets in one piece: use queues without header split"
    )]
    HeaderSplit {
        /// Which.
        queue: usize,
    },
    /// A program sees a frame in one piece, and the longest does not fit a buffer: it would vanish.
    #[error(
        "queue {queue}: frames of up to {max_frame} bytes do not fit its buffers of {buffer}, and a program sees a frame in \
         one piece: lower the longest frame of the device (its MTU), or use larger buffers"
    )]
    FrameSize {
        /// Which.
        queue: usize,
        /// Bytes of the longest frame.
        max_frame: u32,
        /// Bytes of a buffer, without headroom.
        buffer: u32,
    },
    /// A queue could not be restarted with headroom, or without. The others are as before.
    #[error("queue {queue}: {reason}")]
    Restart {
        /// Which.
        queue: usize,
        /// Why.
        reason: RestartError,
    },
}

/// The frame that is arriving.
#[expect(clippy::large_enum_variant, reason = "there is one for each queue")]
enum Frame {
    None,
    /// What has arrived of it.
    Some(Skb),
    /// It is lost; the rest of it is to be skipped.
    Lost,
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
        let mut net = NetDevice::new(capabilities, count).ok_or(DriverError::NoMemory { queues: count })?;
        let (mut queues, mut memory) = (Vec::new(), Vec::new());
        for (queue, config) in config.into_iter().enumerate() {
            let QueueConfig { memory: pools, buffer_size, header_size } = config;
            check_size(queue, "payload", buffer_size, pools.payload.buffer_size())?;
            if let Some(headers) = &pools.headers {
                check_size(queue, "header", header_size, headers.buffer_size())?;
                let split = net.set_header_split(queue, HeaderSplit::On { threshold: 0 });
                split.map_err(|_| DriverError::NoHeaderSplit { queue })?;
            }
            let hardware_queue = hardware.rx_queue(queue).ok_or(DriverError::NoQueue { queue })?;
            let ring = RxRing::new(hardware_queue).ok_or(DriverError::NoRing { queue })?;
            if !are_mapped_for(&pools, ring.device().id()) {
                return Err(DriverError::OtherDevice { queue });
            }
            if pools.payload.is_unreadable() {
                let provider = H::Rx::provider(pools.payload.provider().clone());
                let provider = provider.map_err(|_| DriverError::Unreadable { queue })?;
                // The queue is new, so nothing is bound to it.
                let _ = net.started_on(queue, provider);
            }
            let plan = Plan::new(&pools, ring.device().clone(), buffer_size, header_size);
            queues.push(RxQueue {
                ring: Some(ring),
                plan,
                sizes: Sizes { buffer: buffer_size, header: header_size, headroom: 0 },
                frame: Frame::None,
                ready: VecDeque::new(),
                stats: RxStats::default(),
            });
            memory.push(pools);
        }
        let mut driver = Driver { queues, net, first: 0, napi: Napi::new(memory), xdp: None, hardware };
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
    pub fn bind(&mut self, queue: usize, provider: AnyProvider, options: BindOptions) -> Result<Binding, BindError>
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
    ) -> Result<Binding, BindError> {
        netdev::bind_pages(self, queue, provider, options)
    }

    /// Puts the driver's own pages back: [`netdev::unbind`].
    ///
    /// # Errors
    ///
    /// [`UnbindError`], with the reason and the binding.
    pub fn unbind(&mut self, binding: Binding) -> Result<(), UnbindError> {
        netdev::unbind(self, binding)
    }

    /// Begins to go away: providers are taken off their queues, and nothing is bound any more.
    pub fn unregister(&mut self) {
        self.net.unregister();
    }

    /// Attaches an XDP program, or detaches it with `None`, and gives the one that was attached. All queues are restarted, with
    /// headroom of [`XDP_PACKET_HEADROOM`](netdev::XDP_PACKET_HEADROOM) bytes, or without.
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
    pub fn attach_xdp(&mut self, xdp: Option<Xdp>) -> Result<Option<Xdp>, XdpError> {
        if let (Some(reason), Some(_)) = ((0..self.queues.len()).find_map(|queue| self.hides(queue)), &xdp) {
            return Err(XdpError { reason, xdp });
        }
        if let Err(reason) = self.net.set_xdp(xdp.is_some()) {
            return Err(XdpError { reason: reason.into(), xdp });
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
            let _ = self.net.set_xdp(old.is_some());
            for queue in 0..queue {
                let _ = netdev::restart(self, queue);
            }
            self.xdp = old;
            return Err(XdpError { reason: XdpRefused::Restart { queue, reason }, xdp: new });
        }
        self.xdp = new;
        Ok(old)
    }

    /// Why a program would not see the frames of a queue whole. It asks what the queue runs on, whatever the core has noted.
    fn hides(&self, queue: usize) -> Option<XdpRefused> {
        let (memory, buffer) = (self.napi.memory(queue)?, self.queues[queue].sizes.buffer);
        if memory.headers.is_some() {
            return Some(XdpRefused::HeaderSplit { queue });
        }
        if memory.payload.is_unreadable() {
            return Some(ConfigRefused::Bound { queue }.into());
        }
        let max_frame = self.hardware.capabilities().max_frame;
        (buffer < max_frame).then_some(XdpRefused::FrameSize { queue, max_frame, buffer })
    }

    /// Receives up to `budget` frames, over all queues, and refills the rings. Says how much of the budget was used: one
    /// for each frame that ended, delivered or dropped, and one for each completion that was refused. So a device that
    /// reports nonsense cannot keep a poll from ending.
    ///
    /// `deliver` gets each packet. It keeps the packet, or gives it back to be recycled at once (an early drop). With a
    /// budget of 0 nothing is received and nothing refilled. Call it again when less than the budget was used and the
    /// device has raised its interrupt, or when it was all used.
    #[doc(alias = "napi_poll")]
    pub fn poll(&mut self, budget: u32, mut deliver: impl FnMut(Skb) -> Option<Skb>) -> u32 {
        netdev::unbind_dropped(self);
        self.restart_halted();
        let (queues, first, xdp) = (&mut self.queues, self.first, &mut self.xdp);
        self.first = (first + 1) % queues.len().max(1);
        self.napi.poll(budget, |poll| {
            let mut work = 0;
            for turn in 0..queues.len() {
                let index = (first + turn) % queues.len();
                let queue = &mut queues[index];
                work += queue.deliver_ready(poll.budget() - work, poll, &mut deliver);
                work += queue.receive(index, poll.budget() - work, poll, xdp, &mut deliver);
                queue.refill(index, poll);
            }
            work
        })
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
                        memory.payload.recycle_received(payload);
                        if let (Some(header), Some(headers)) = (header, &mut memory.headers) {
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

/// A frame for the backlog: a copy, where it can be read and there is memory, so that a frame does not keep a whole piece of a
/// pool that is about to go.
fn copied(skb: Skb) -> Skb {
    let copy = || {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(skb.len()).ok()?;
        bytes.resize(skb.len(), 0);
        skb.copy_bits(0, &mut bytes).ok()?;
        let mut copy = Skb::copy_from(&bytes)?;
        copy.set_queue(skb.queue());
        copy.set_ip_summed(skb.ip_summed());
        Some(copy)
    };
    copy().unwrap_or(skb)
}

impl<H: Hardware> RxQueue<H> {
    /// Delivers what had arrived when the queue was restarted.
    fn deliver_ready(&mut self, budget: u32, poll: &mut Poll<'_>, deliver: &mut impl FnMut(Skb) -> Option<Skb>) -> u32 {
        let mut work = 0;
        while work < budget {
            let Some(skb) = self.ready.pop_front() else { break };
            work += 1;
            if let Some(dropped) = deliver(skb) {
                poll.recycle(dropped);
            }
        }
        work
    }

    /// Receives what a halted ring has completed, for the next poll, and drops a frame that has not arrived to its end.
    fn drain(&mut self, index: usize, budget: u32, poll: &mut Poll<'_>, xdp: &mut Option<Xdp>) {
        // One at a time: should the program panic, what has arrived before is in the backlog.
        for _ in 0..budget {
            let mut arrived = None;
            let work = self.receive(index, 1, poll, xdp, &mut |skb| {
                arrived = Some(skb);
                None
            });
            // There is room for as many as there are descriptors.
            self.ready.extend(arrived.map(copied));
            if work == 0 {
                break;
            }
        }
        self.lose(true, poll);
    }

    /// Handles completions until `budget` frames have ended or completions been refused, or the ring has no more.
    fn receive(
        &mut self,
        index: usize,
        budget: u32,
        poll: &mut Poll<'_>,
        xdp: &mut Option<Xdp>,
        deliver: &mut impl FnMut(Skb) -> Option<Skb>,
    ) -> u32 {
        let mut work = 0;
        while work < budget {
            let Some(completion) = self.ring.as_mut().and_then(RxRing::complete) else { break };
            match completion {
                Ok(completed) => {
                    let Some(memory) = poll.memory(index) else { break };
                    let end = completed.end_of_frame;
                    match xdp {
                        Some(xdp) => self.add_xdp(memory, completed, xdp),
                        None => self.add(memory, completed),
                    }
                    if end {
                        work += 1;
                        if let Some(dropped) = self.finish(index).and_then(&mut *deliver) {
                            poll.recycle(dropped);
                        }
                    }
                }
                Err(bad) => {
                    work += 1;
                    self.refuse(bad, poll);
                }
            }
        }
        work
    }

    /// Lets the program see a frame, and does what it says. What it passes is the frame that has arrived.
    fn add_xdp(&mut self, memory: &mut RxMemory, completed: Completed, xdp: &mut Xdp) {
        let first = !matches!(self.frame, Frame::Lost);
        let frame = core::mem::replace(&mut self.frame, Frame::Lost);
        if !completed.end_of_frame || completed.header.is_some() || !matches!(frame, Frame::None) {
            self.stats.xdp_multi_buffer += u64::from(first);
            return;
        }
        // The frame ends here, whatever becomes of it: should the program panic, the next one is none of its victims.
        self.frame = Frame::None;
        if check_frame(completed.payload.len() as usize).is_err() {
            self.stats.too_short += 1;
            return memory.payload.recycle_received(completed.payload);
        }
        let Ok(buff) = XdpBuff::receive(&memory.payload, completed.payload) else {
            self.stats.failed += 1;
            return;
        };
        match xdp.run(buff) {
            XdpOutcome::Passed(frag) => {
                let mut skb = Skb::new();
                if skb.add_rx_frag(frag).is_ok() {
                    self.frame = Frame::Some(skb);
                }
            }
            XdpOutcome::Dropped(frag) => {
                self.stats.xdp_drop += 1;
                memory.payload.recycle_frag(frag);
            }
            XdpOutcome::Sent | XdpOutcome::Redirected => self.stats.xdp_sent += 1,
            XdpOutcome::Unsent(frag) => {
                self.stats.xdp_unsent += 1;
                memory.payload.recycle_frag(frag);
            }
        }
    }

    /// Adds what one buffer holds to the frame that is arriving.
    fn add(&mut self, memory: &mut RxMemory, completed: Completed) {
        let Completed { payload, header, end_of_frame, csum_ok } = completed;
        let frame = core::mem::replace(&mut self.frame, Frame::Lost);
        let header = match (header, &memory.headers) {
            (Some(header), Some(headers)) => headers.sync_for_cpu(header).ok(),
            _ => None,
        };
        // A buffer of other pools than this queue's would not come back from its ring; the frame would be lost with it.
        let Ok(payload) = memory.payload.sync_for_cpu(payload) else {
            self.stats.failed += 1;
            return;
        };
        let mut skb = match (frame, header) {
            (Frame::None, header) => header.map_or_else(Skb::new, Skb::build),
            (Frame::Some(skb), None) => skb,
            // Headers in the middle of a frame are as wrong as a length that does not fit.
            (Frame::Some(_), Some(_)) => {
                self.stats.bad_length += 1;
                return;
            }
            (Frame::Lost, _) => return memory.payload.recycle_frag(payload),
        };
        if payload.is_empty() {
            memory.payload.recycle_frag(payload);
        } else if skb.add_rx_frag(payload).is_err() {
            self.stats.too_many_frags += 1;
            return;
        }
        if end_of_frame && csum_ok == Some(true) {
            skb.set_ip_summed(IpSummed::Unnecessary);
        }
        self.frame = Frame::Some(skb);
    }

    /// The frame has ended: gives it, unless it was lost.
    fn finish(&mut self, index: usize) -> Option<Skb> {
        match core::mem::replace(&mut self.frame, Frame::None) {
            // No header to tell a protocol by: Linux drivers drop it, too, before eth_type_trans would read it.
            Frame::Some(skb) if check_frame(skb.len()).is_err() => {
                self.stats.too_short += 1;
                None
            }
            Frame::Some(mut skb) => {
                skb.set_queue(index as u16);
                self.stats.packets += 1;
                self.stats.bytes += skb.len() as u64;
                Some(skb)
            }
            _ => None,
        }
    }

    /// Drops what has arrived of a frame, and skips the rest of it. False when it was lost already.
    fn lose(&mut self, end_of_frame: bool, poll: &mut Poll<'_>) -> bool {
        let next = if end_of_frame { Frame::None } else { Frame::Lost };
        match core::mem::replace(&mut self.frame, next) {
            Frame::Some(skb) => poll.recycle(skb),
            Frame::None => {}
            Frame::Lost => return false,
        }
        true
    }

    /// Counts a completion that does not fit, and loses the frame that it was part of.
    fn refuse(&mut self, bad: BadCompletion, poll: &mut Poll<'_>) {
        match bad {
            BadCompletion::Index { .. } => self.stats.bad_index += 1,
            BadCompletion::PayloadLength { end_of_frame, .. } | BadCompletion::HeaderLength { end_of_frame, .. } => {
                self.stats.bad_length += u64::from(self.lose(end_of_frame, poll));
            }
            BadCompletion::Failed { end_of_frame, .. } => {
                self.stats.failed += u64::from(self.lose(end_of_frame, poll));
            }
            // Nothing of a frame: a buffer that is not out has no bytes.
            _ => self.stats.not_posted += 1,
        }
    }

    /// Buffers that the frames of the backlog took. As many descriptors stay free, so that restarts in a row hold no more than
    /// two rings do, and the device waits.
    fn backlog(&self) -> usize {
        let buffer = self.sizes.buffer as usize;
        self.ready.iter().map(|skb| skb.len().div_ceil(buffer).max(1)).sum()
    }

    /// Posts buffers until the ring is full, or a pool has no more: then the ring is as full as it can be. Returns why the
    /// ring refused one, if it did.
    fn refill(&mut self, index: usize, poll: &mut Poll<'_>) -> Option<PostRefused> {
        let backlog = self.backlog();
        let (memory, ring) = (poll.memory(index)?, self.ring.as_mut()?);
        let (posted, refused) = fill(ring, memory, self.sizes, backlog);
        self.stats.alloc_failed += u64::from(ring.room() > backlog);
        if posted != 0 {
            self.stats.posted += posted;
            ring.kick();
        }
        refused
    }
}

impl<H: Hardware> fmt::Debug for Driver<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("queues", &self.queues.len()).field("napi", &self.napi).finish()
    }
}
