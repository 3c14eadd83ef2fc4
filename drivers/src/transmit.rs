//! [`Transmitter`]: the sending half of a driver.

use alloc::vec::Vec;
use core::fmt;
use netmem::Refused;
use netmem::dma::DmaTxQueue;
use netmem::mm::Zone;
use netmem::netdev::RingError;
use netmem::netdev::{Cleaned, NetmemTx, Poll, TxError, TxHardware, TxLoad, TxRing, XdpBuff};
use netmem::skb::{ReadableSkb, Skb};

/// Sends on the queues of a device.
///
/// It does not ask what a packet is made of: the ring maps what is a page, and posts what is not. Packets are its own
/// from [`send`](Self::send) until [`clean`](Self::clean) finds their completion. Dropping it stops the rings first.
pub struct Transmitter<Q: DmaTxQueue> {
    queues: Vec<TxQueue<Q>>,
}

struct TxQueue<Q: DmaTxQueue> {
    ring: TxRing<Q>,
    stats: TxStats,
}

/// What a transmit queue has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TxStats {
    /// Packets sent.
    pub packets: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Packets that the device failed to send.
    pub failed: u64,
    /// Completions that named no packet.
    pub bad_completions: u64,
    /// Packets that were not taken because the ring was full.
    pub full: u64,
    /// Packets that were not taken for another reason.
    pub refused: u64,
}

/// Why there is no transmitter.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransmitError {
    /// The device has no such queue.
    #[error("the device has no transmit queue {queue} that is free: ask for as many as it has, once")]
    NoQueue {
        /// The queue, from 0.
        queue: usize,
    },
    /// There is no ring over the queue of the hardware.
    #[error("transmit queue {queue}: {reason}")]
    NoRing {
        /// The queue, from 0.
        queue: usize,
        /// Why there is no ring.
        reason: RingError,
    },
    /// There is no memory to note the queue.
    #[error("no memory to note transmit queue {queue}: use fewer")]
    NoMemory {
        /// The queue, from 0.
        queue: usize,
    },
}

impl<Q: DmaTxQueue> Transmitter<Q> {
    /// Rings for the first `queues` transmit queues of a device; `zone` has pages for linear parts that are on the heap.
    ///
    /// # Errors
    ///
    /// [`TransmitError`]. The queues that were taken are stopped again.
    pub fn new<H>(hardware: &mut H, queues: usize, zone: &Zone) -> Result<Self, TransmitError>
    where
        H: TxHardware<TxQueue = Q>,
    {
        let mut rings = Vec::new();
        for queue in 0..queues {
            let hardware = hardware.tx_queue(queue).ok_or(TransmitError::NoQueue { queue })?;
            let ring = TxRing::new(hardware, zone.clone()).map_err(|reason| TransmitError::NoRing { queue, reason })?;
            rings.try_reserve(1).map_err(|_| TransmitError::NoMemory { queue })?;
            rings.push(TxQueue { ring, stats: TxStats::default() });
        }
        Ok(Transmitter { queues: rings })
    }

    /// How many queues there are.
    pub fn queues(&self) -> usize {
        self.queues.len()
    }

    /// Sends a packet on a queue; queues are counted round, so that any number is one of them. The device sees it at the
    /// next [`kick`](Self::kick).
    ///
    /// # Errors
    ///
    /// [`TxError`], with the reason and the packet: try again after [`clean`](Self::clean) when the ring was full.
    pub fn send(&mut self, queue: usize, skb: ReadableSkb) -> Result<(), Refused<TxError, ReadableSkb>> {
        let Some(queue) = self.queue(queue) else { return Err(Refused { reason: NONE, back: skb }) };
        queue.ring.send(skb).inspect_err(|refused| queue.stats.count(refused.reason))
    }

    /// Sends a packet that the CPU need not be able to read.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), and when its device memory is not bound to this device, to transmit from.
    pub fn send_netmem(&mut self, queue: usize, skb: Skb) -> Result<(), Refused<TxError, Skb>>
    where
        Q: NetmemTx,
    {
        let Some(queue) = self.queue(queue) else { return Err(Refused { reason: NONE, back: skb }) };
        queue.ring.send_netmem(skb).inspect_err(|refused| queue.stats.count(refused.reason))
    }

    /// Sends a packet for an XDP program: what [`Xdp::on_tx`](netmem::netdev::Xdp::on_tx) calls, or a redirect from another
    /// device.
    ///
    /// # Errors
    ///
    /// The packet, when the ring is full or the device cannot map it.
    #[doc(alias = "ndo_xdp_xmit")]
    pub fn send_xdp(&mut self, queue: usize, buff: XdpBuff) -> Result<(), XdpBuff> {
        let Some(queue) = self.queue(queue) else { return Err(buff) };
        queue.ring.send_xdp(buff).inspect_err(|_| queue.stats.refused += 1)
    }

    fn queue(&mut self, queue: usize) -> Option<&mut TxQueue<Q>> {
        let index = queue.checked_rem(self.queues.len())?;
        self.queues.get_mut(index)
    }

    /// Tells the device about what was sent since the last time.
    pub fn kick(&mut self) {
        self.queues.iter_mut().for_each(|queue| queue.ring.kick());
    }

    /// Reaps what was sent, and recycles it: what is of the poll's pools directly. Says how many packets that was.
    pub fn clean(&mut self, poll: &mut Poll<'_>) -> u64 {
        let mut packets = 0;
        for TxQueue { ring, stats } in &mut self.queues {
            let Cleaned { sent, bytes, failed, refused, .. } = ring.clean(poll);
            stats.packets += sent;
            stats.bytes += bytes;
            stats.failed += failed;
            stats.bad_completions += refused;
            packets += sent + failed;
        }
        packets
    }

    /// How many packets the device has, over all queues.
    pub fn pending(&self) -> usize {
        self.queues.iter().map(|queue| queue.ring.packets()).sum()
    }

    /// How many descriptors of a queue are free.
    pub fn room(&self, queue: usize) -> Option<usize> {
        self.queues.get(queue).map(|queue| queue.ring.room())
    }

    /// What a queue has counted.
    pub fn stats(&self, queue: usize) -> Option<TxStats> {
        self.queues.get(queue).map(|queue| queue.stats)
    }

    /// Stops the rings, and gives the packets back that the device had.
    pub fn stop(self) -> impl Iterator<Item = TxLoad> {
        self.queues.into_iter().flat_map(|queue| queue.ring.stop())
    }
}

/// What a transmitter without queues says.
const NONE: TxError = TxError::Full { need: 1, room: 0 };

impl TxStats {
    fn count(&mut self, reason: TxError) {
        match reason {
            TxError::Full { .. } => self.full += 1,
            _ => self.refused += 1,
        }
    }
}

impl<Q: DmaTxQueue> fmt::Debug for Transmitter<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmitter").field("queues", &self.queues.len()).field("pending", &self.pending()).finish()
    }
}
