//! [`RxQueue`]: the receive path of one queue.
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
//! forget one. Read [`refill`](RxQueue::refill), [`receive`](RxQueue::receive) and [`add`](RxQueue::add) in this order.

use super::RxStats;
use super::plan::{QueuePlan, Sizes, fill};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use netmem::netdev::{
    Completed, CompletionError, Hardware, Poll, PostError, RxMemory, RxRing, Xdp, XdpBuff, XdpOutcome,
};
use netmem::page_pool::Frag;
use netmem::skb::{HeadError, IpSummed, Skb, check_frame};

/// One receive queue.
pub(super) struct RxQueue<H: Hardware> {
    /// `None` while the queue is stopped.
    pub(super) ring: Option<RxRing<H::Queue>>,
    pub(super) plan: QueuePlan,
    pub(super) sizes: Sizes,
    /// Bytes of the longest frame that the device receives.
    pub(super) max_frame: u32,
    pub(super) frame: Frame,
    /// What had arrived when the queue was restarted: to be delivered by the next poll.
    pub(super) ready: VecDeque<Skb>,
    pub(super) stats: RxStats,
}

/// The frame that is arriving.
#[allow(clippy::large_enum_variant, reason = "there is one for each queue, and over Linux a packet is a pointer")]
pub(super) enum Frame {
    None,
    /// What has arrived of it.
    Some(Skb),
    /// It is lost; the rest of it is to be skipped.
    Lost,
}

impl<H: Hardware> RxQueue<H> {
    /// Delivers what had arrived when the queue was restarted.
    pub(super) fn deliver_ready(
        &mut self,
        budget: u32,
        poll: &mut Poll<'_>,
        deliver: &mut impl FnMut(Skb) -> Option<Skb>,
    ) -> u32 {
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
    pub(super) fn drain(&mut self, index: usize, budget: u32, poll: &mut Poll<'_>, xdp: &mut Option<Xdp>) {
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
    pub(super) fn receive(
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
                    work += u32::from(completed.end_of_frame);
                    let arrived = match xdp {
                        Some(xdp) => self.add_xdp(index, memory, completed, xdp),
                        None => self.add(index, memory, completed),
                    };
                    if let Some(dropped) = arrived.and_then(&mut *deliver) {
                        poll.recycle(dropped);
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

    /// Lets the program see a frame, and does what it says. Returns the packet that it passes.
    fn add_xdp(&mut self, index: usize, memory: &mut RxMemory, completed: Completed, xdp: &mut Xdp) -> Option<Skb> {
        // The frame ends here, whatever becomes of it: should the program panic, the next one is none of its victims.
        let next = if completed.end_of_frame { Frame::None } else { Frame::Lost };
        let whole = completed.end_of_frame && completed.header.is_none() && matches!(self.frame, Frame::None);
        if !whole {
            self.stats.xdp_multi_buffer += u64::from(!matches!(self.frame, Frame::Lost));
            self.frame = next;
            return None;
        }
        if check_frame(completed.payload.len() as usize).is_err() {
            self.stats.too_short += 1;
            memory.payload_mut().recycle_received(completed.payload);
            return None;
        }
        let truesize = completed.payload.truesize();
        let Ok(buff) = XdpBuff::receive(memory.payload(), completed.payload) else {
            self.stats.failed += 1;
            return None;
        };
        match xdp.run(buff) {
            XdpOutcome::Passed(frag) => {
                let Some(mut skb) = Skb::copy_from(&[]) else {
                    return self.unbuilt(memory, frag.into(), HeadError::NoMemory { len: 0 });
                };
                skb.add_rx_frag(frag, truesize).ok()?;
                return self.finish(index, &mut skb).then_some(skb);
            }
            XdpOutcome::Dropped(frag) => {
                self.stats.xdp_drop += 1;
                memory.payload_mut().recycle_frag(frag);
            }
            XdpOutcome::Sent | XdpOutcome::Redirected => self.stats.xdp_sent += 1,
            XdpOutcome::Unsent(frag) => {
                self.stats.xdp_unsent += 1;
                memory.payload_mut().recycle_frag(frag);
            }
        }
        None
    }

    /// Adds what one buffer holds to the frame that is arriving. Returns the packet when its frame ends here.
    ///
    /// A frame that begins and ends with one buffer is built where it is returned, and is never stored.
    fn add(&mut self, index: usize, memory: &mut RxMemory, completed: Completed) -> Option<Skb> {
        let Completed { payload, header, end_of_frame, csum_ok } = completed;
        // What becomes of the frame if this buffer is its last one, or if it is lost here. A panic on the way loses it, too.
        let next = if end_of_frame { Frame::None } else { Frame::Lost };
        let truesize = payload.truesize();
        // A buffer of other pools than this queue's would not come back from its ring; the frame would be lost with it.
        let Ok(payload) = memory.payload().sync_for_cpu(payload) else {
            self.stats.failed += 1;
            self.frame = next;
            return None;
        };
        let mut skb = match &self.frame {
            Frame::None => {
                self.frame = next;
                match header {
                    None => match Skb::copy_from(&[]) {
                        Some(skb) => skb,
                        None => return self.unbuilt(memory, payload, HeadError::NoMemory { len: 0 }),
                    },
                    Some(header) => {
                        // Only a queue with a pool for headers posts buffers for them.
                        let headers = memory.headers()?;
                        match Skb::receive_head(headers, header) {
                            Ok(skb) => skb,
                            Err(refused) => return self.unbuilt(memory, payload, refused.reason),
                        }
                    }
                }
            }
            Frame::Lost => {
                self.frame = next;
                memory.payload_mut().recycle_frag(payload);
                return None;
            }
            Frame::Some(_) => match (core::mem::replace(&mut self.frame, next), header) {
                (Frame::Some(skb), None) => skb,
                // Headers in the middle of a frame are as wrong as a length that does not fit.
                _ => {
                    self.stats.bad_length += 1;
                    return None;
                }
            },
        };
        if payload.is_empty() {
            memory.payload_mut().recycle_frag(payload);
        } else if skb.add_rx_frag(payload, truesize).is_err() {
            self.stats.too_many_frags += 1;
            return None;
        }
        if !end_of_frame {
            self.frame = Frame::Some(skb);
            return None;
        }
        if csum_ok == Some(true) {
            skb.set_ip_summed(IpSummed::Unnecessary);
        }
        if self.finish(index, &mut skb) { Some(skb) } else { None }
    }

    /// Counts a frame of which there is no packet, and recycles its payload.
    #[cold]
    fn unbuilt<T>(&mut self, memory: &mut RxMemory, payload: Frag, reason: HeadError) -> Option<T> {
        match reason {
            HeadError::NoMemory { .. } => self.stats.no_packet += 1,
            // Headers in a buffer of another pool than this queue's.
            _ => self.stats.failed += 1,
        }
        memory.payload_mut().recycle_frag(payload);
        None
    }

    /// Completes a packet whose frame has ended. Returns false when the frame is to be dropped.
    fn finish(&mut self, index: usize, skb: &mut Skb) -> bool {
        // No header to tell a protocol by: Linux drivers drop it, too, before eth_type_trans would read it.
        if check_frame(skb.len()).is_err() {
            self.stats.too_short += 1;
            return false;
        }
        // Rule S3: nobody else can verify what the CPU cannot read.
        if !skb.is_deliverable() {
            self.stats.unsummed += 1;
            return false;
        }
        skb.set_queue(index as u16);
        self.stats.packets += 1;
        self.stats.bytes += skb.len() as u64;
        true
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
    fn refuse(&mut self, bad: CompletionError, poll: &mut Poll<'_>) {
        match bad {
            CompletionError::Index { .. } => self.stats.bad_index += 1,
            CompletionError::PayloadLength { end_of_frame, .. }
            | CompletionError::HeaderLength { end_of_frame, .. } => {
                self.stats.bad_length += u64::from(self.lose(end_of_frame, poll));
            }
            CompletionError::Failed { end_of_frame, .. } => {
                self.stats.failed += u64::from(self.lose(end_of_frame, poll));
            }
            // Nothing of a frame: a buffer that is not out has no bytes.
            _ => self.stats.not_posted += 1,
        }
    }

    /// Buffers that the frames of the backlog took. As many descriptors stay free, so that restarts in a row hold no more than
    /// two rings do, and the device waits.
    pub(super) fn backlog(&self) -> usize {
        let buffer = self.sizes.buffer as usize;
        self.ready.iter().map(|skb| skb.len().div_ceil(buffer).max(1)).sum()
    }

    /// Returns whether the device has fewer buffers than its longest frame takes. It may wait for more then, and complete none.
    pub(super) fn is_starved(&self) -> bool {
        let Some(ring) = &self.ring else { return false };
        let needed = self.max_frame.div_ceil(self.sizes.buffer).max(1) as usize;
        ring.posted() < needed.min(ring.depth())
    }

    /// Posts buffers until the ring is full, or a pool has no more: then the ring is as full as it can be. Returns why the
    /// ring refused one, if it did.
    pub(super) fn refill(&mut self, index: usize, poll: &mut Poll<'_>) -> Option<PostError> {
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
