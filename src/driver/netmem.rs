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

use super::Hardware;
use crate::memory::Page;
use crate::netdev::{BadCompletion, Completed, Napi, Poll, RxMemory, RxRing};
use crate::page_pool::Frag;
use crate::skb::{IpSummed, Skb};
use alloc::vec::Vec;
use core::fmt;

/// Receives on the queues of a device.
///
/// Dropping it stops the rings, then drops the pools; packets that are out keep their memory.
pub struct Driver<H: Hardware> {
    // Dropped in this order: the rings stop the device before the pools unmap what it writes to.
    queues: Vec<RxQueue<H>>,
    /// The queue that the next poll begins with, so that no queue starves another.
    first: usize,
    napi: Napi,
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
    /// Packets delivered.
    pub packets: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Descriptors posted; with header buffers each stands for two.
    pub posted: u64,
    /// Times a ring could not be filled because a pool had no memory.
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
}

impl RxStats {
    /// Frames dropped and completions refused, by cause.
    pub fn drops(&self) -> [(&'static str, u64); 6] {
        [
            ("bad index", self.bad_index),
            ("not posted", self.not_posted),
            ("bad length", self.bad_length),
            ("too short", self.too_short),
            ("failed", self.failed),
            ("too many frags", self.too_many_frags),
        ]
    }
}

struct RxQueue<H: Hardware> {
    ring: RxRing<H::Queue>,
    buffer_size: u32,
    header_size: u32,
    frame: Frame,
    stats: RxStats,
}

/// Bytes of an Ethernet header.
const ETH_HLEN: usize = 14;

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
    pub fn new(mut hardware: H, config: Vec<QueueConfig>) -> Result<Self, DriverError> {
        let mut queues = Vec::new();
        let mut memory = Vec::new();
        for (queue, config) in config.into_iter().enumerate() {
            let QueueConfig { memory: pools, buffer_size, header_size } = config;
            check_size(queue, "payload", buffer_size, pools.payload.buffer_size())?;
            if let Some(headers) = &pools.headers {
                check_size(queue, "header", header_size, headers.buffer_size())?;
            }
            let hardware_queue = hardware.rx_queue(queue).ok_or(DriverError::NoQueue { queue })?;
            let ring = RxRing::new(hardware_queue).ok_or(DriverError::NoRing { queue })?;
            let headers = pools.headers.as_ref().is_none_or(|headers| headers.is_mapped_for(ring.device()));
            if !headers || !pools.payload.is_mapped_for(ring.device()) {
                return Err(DriverError::OtherDevice { queue });
            }
            queues.push(RxQueue { ring, buffer_size, header_size, frame: Frame::None, stats: RxStats::default() });
            memory.push(pools);
        }
        let mut driver = Driver { queues, first: 0, napi: Napi::new(memory), hardware };
        driver.poll(1, |_| None);
        Ok(driver)
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
        let (queues, first) = (&mut self.queues, self.first);
        self.first = (first + 1) % queues.len().max(1);
        self.napi.poll(budget, |poll| {
            let mut work = 0;
            for turn in 0..queues.len() {
                let index = (first + turn) % queues.len();
                let queue = &mut queues[index];
                work += queue.receive(index, budget - work, poll, &mut deliver);
                queue.refill(index, poll);
            }
            work
        })
    }

    /// What a queue has counted.
    pub fn stats(&self, queue: usize) -> Option<RxStats> {
        self.queues.get(queue).map(|queue| queue.stats)
    }

    /// How many descriptors of a queue the device has, of how many.
    pub fn posted(&self, queue: usize) -> Option<(usize, usize)> {
        self.queues.get(queue).map(|queue| (queue.ring.posted(), queue.ring.depth()))
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
        let Driver { queues, first: _, mut napi, hardware: _ } = self;
        for (index, queue) in queues.into_iter().enumerate() {
            napi.poll(1, |poll| {
                if let Frame::Some(skb) = queue.frame {
                    poll.recycle(skb);
                }
                for (payload, header) in queue.ring.stop() {
                    if let Some(memory) = poll.memory(index) {
                        recycle(memory, payload, header);
                    }
                }
            });
        }
        napi
    }
}

fn check_size(queue: usize, what: &'static str, size: u32, max: u32) -> Result<(), DriverError> {
    if (64..=max).contains(&size) { Ok(()) } else { Err(DriverError::BufferSize { queue, what, size, max }) }
}

/// Gives both buffers of a descriptor back to the pools of the queue.
fn recycle(memory: &mut RxMemory, payload: Frag, header: Option<Frag<Page>>) {
    memory.payload.recycle_frag(payload);
    if let (Some(header), Some(headers)) = (header, &mut memory.headers) {
        headers.recycle_frag(header);
    }
}

impl<H: Hardware> RxQueue<H> {
    /// Handles completions until `budget` frames have ended or completions been refused, or the ring has no more.
    fn receive(
        &mut self,
        index: usize,
        budget: u32,
        poll: &mut Poll<'_>,
        deliver: &mut impl FnMut(Skb) -> Option<Skb>,
    ) -> u32 {
        let mut work = 0;
        while work < budget {
            let Some(completion) = self.ring.complete() else { break };
            match completion {
                Ok(completed) => {
                    let Some(memory) = poll.memory(index) else { break };
                    let end = completed.end_of_frame;
                    self.add(memory, completed);
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
            Frame::Some(skb) if skb.len() < ETH_HLEN => {
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

    /// Both buffers of a descriptor, or none of them.
    fn alloc(&self, memory: &mut RxMemory) -> Option<(Frag, Option<Frag<Page>>)> {
        let header = match &mut memory.headers {
            Some(headers) => Some(headers.alloc_frag(self.header_size)?),
            None => None,
        };
        match memory.payload.alloc_frag(self.buffer_size) {
            Some(payload) => Some((payload, header)),
            None => {
                if let (Some(header), Some(headers)) = (header, &mut memory.headers) {
                    headers.recycle_frag(header);
                }
                None
            }
        }
    }

    /// Posts buffers until the ring is full, or a pool has no more: then the ring is as full as it can be.
    fn refill(&mut self, index: usize, poll: &mut Poll<'_>) {
        let Some(memory) = poll.memory(index) else { return };
        let mut posted = 0;
        while self.ring.room() != 0 {
            let Some((payload, header)) = self.alloc(memory) else {
                self.stats.alloc_failed += 1;
                break;
            };
            if let Err(full) = self.ring.post(payload, header) {
                recycle(memory, full.payload, full.header);
                break;
            }
            posted += 1;
        }
        if posted != 0 {
            self.stats.posted += posted;
            self.ring.kick();
        }
    }
}

impl<H: Hardware> fmt::Debug for Driver<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("queues", &self.queues.len()).field("napi", &self.napi).finish()
    }
}
