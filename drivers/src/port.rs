//! What the ports share, as C drivers share what is in net/: the counters, why a ring does not start, and how
//! a packet that nobody wants is recycled.
//!
//! A port is the receive path of a known driver, written anew from its behaviour, three times: as it is, on page helpers;
//! on those for netmem; with device memory switched on. What changes between two of them is what a porter changes, and
//! docs/porting has it as diffs. How a ring is polled and stopped changes in none of them, and stands once, in
//! drivers/src/stage.rs.

use crate::RxStats;
use netmem::netdev::{CompletionError, PostError, RingError};
use netmem::page_pool::{PagePool, PoolKind, Stats};
use netmem::skb::{Skb, check_frame};

/// One receive ring of a port, whatever its stage: what NAPI polls.
///
/// A ring owns its pools, and a poll has it as `&mut`: that is the consumer side in hand (rule N1). Examples are with
/// [`hns3`](super::hns3) and [`gve`](super::gve).
pub trait PortRing: Send {
    /// Handles completions until `budget` frames have ended or completions been refused, or the ring has no more; then
    /// posts buffers. What `deliver` gives back is dropped, and recycled directly. Says how much of the budget was used;
    /// with a budget of 0 nothing is done.
    ///
    /// A device whose ring is empty raises no interrupt. So poll again even without one while nothing is
    /// [posted](Self::posted).
    #[doc(alias = "napi_poll")]
    fn poll(&mut self, budget: u32, deliver: &mut dyn FnMut(Skb) -> Option<Skb>) -> u32;

    /// What the ring has counted.
    fn stats(&self) -> PortStats;

    /// What the pools have counted: that of the payload, and that of the headers.
    fn pool_stats(&self) -> (Stats, Option<Stats>);

    /// How many descriptors are posted, and how many there are.
    fn posted(&self) -> (usize, usize);

    /// How many pieces of the pools' memory are out: posted, kept to be posted, or in packets.
    fn in_use(&self) -> usize;

    /// Stops the device, and puts all buffers that it had, those that are kept, and the frame that was arriving. The pools
    /// are there until the ring is dropped. Packets that are out keep their memory in any case. A ring that is stopped
    /// receives nothing; stopping it again does nothing.
    fn stop(&mut self);
}

/// What a ring of a port has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortStats {
    /// What every driver counts.
    pub rx: RxStats,
    /// Frames that were copied to a packet of their own.
    pub copied: u64,
    /// Buffers that were posted again without having left the ring.
    pub reused: u64,
    /// Frames that a filter dropped before there was a packet.
    pub early_drop: u64,
    /// Frames dropped because there was no packet for them: no memory, or headers that the CPU cannot read.
    pub no_skb: u64,
    /// Those of them whose headers the CPU cannot read.
    pub unreadable_head: u64,
    /// Why the ring refused a buffer, the last time that it did.
    pub refused: Option<PostError>,
}

/// Whether a completion that was refused was part of a frame, and of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    NoFrame,
    Frame { end: bool },
}

impl PortStats {
    /// Counts a completion that does not fit. `lost` says that the frame it is part of is lost already, and counted.
    pub(super) fn refuse(&mut self, bad: CompletionError, lost: bool) -> Lost {
        let once = u64::from(!lost);
        match bad {
            CompletionError::PayloadLength { end_of_frame: end, .. }
            | CompletionError::HeaderLength { end_of_frame: end, .. } => {
                self.rx.bad_length += once;
                Lost::Frame { end }
            }
            CompletionError::Failed { end_of_frame: end, .. } => {
                self.rx.failed += once;
                Lost::Frame { end }
            }
            CompletionError::Index { .. } => {
                self.rx.bad_index += 1;
                Lost::NoFrame
            }
            // A buffer that is not out is no part of a frame.
            _ => {
                self.rx.not_posted += 1;
                Lost::NoFrame
            }
        }
    }

    /// Counts a packet on its way out. `None` when it ends within its Ethernet header, because no protocol can be told of it then,
    /// and when the CPU cannot read all of it and the device has not verified its checksum (rule S3).
    pub(super) fn finish(&mut self, skb: Skb) -> Option<Skb> {
        if check_frame(skb.len()).is_err() {
            self.rx.too_short += 1;
            return None;
        }
        if !skb.is_deliverable() {
            self.rx.unsummed += 1;
            return None;
        }
        self.rx.packets += 1;
        self.rx.bytes += skb.len() as u64;
        Some(skb)
    }
}

/// Why a ring did not start. What it was given is dropped, and its memory is back with its provider.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// The device has no such queue, or it runs.
    #[error("the device gives no receive queue {queue}: it has no such queue, or it runs already")]
    NoQueue {
        /// The queue, from 0.
        queue: usize,
    },
    /// There is no ring over the queue of the hardware.
    #[error("queue {queue}: {reason}")]
    NoRing {
        /// The queue, from 0.
        queue: usize,
        /// Why there is no ring.
        reason: RingError,
    },
    /// There is no memory for what the port keeps of its buffers.
    #[error("queue {queue}: no memory to note its buffers: use a shorter ring")]
    NoMemory {
        /// The queue, from 0.
        queue: usize,
    },
    /// A pool's memory is not mapped for the device.
    #[error("queue {queue}: a pool is not mapped for this device: make it with PagePoolParams::for_device of this one")]
    OtherDevice {
        /// The queue, from 0.
        queue: usize,
    },
    /// The ring refuses buffers of a pool.
    #[error("queue {queue}: {reason}")]
    Post {
        /// The queue, from 0.
        queue: usize,
        /// Why the ring refuses them.
        reason: PostError,
    },
    /// The memory cannot be read, and this stage reads it (rule P3).
    #[error("queue {queue}: its memory cannot be read by the CPU, and this stage of the port reads it: use `devmem`")]
    Unreadable {
        /// The queue, from 0.
        queue: usize,
    },
}

/// Drops a packet with a pool's consumer side in hand: frags of this pool go into its cache.
pub(super) fn napi_consume_skb<K: PoolKind>(pool: &mut PagePool<K>, skb: Skb) {
    skb.recycle_into(pool);
}
