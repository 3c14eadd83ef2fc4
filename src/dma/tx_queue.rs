//! [`DmaTxQueue`]: how a transmit ring talks to its hardware.

use super::{DmaDevice, DmaSlice};
use crate::alloc::Arc;
use crate::assert::assert_not_impl_any;

/// One transmit queue of a device: packets go in, as descriptors of their pieces, and completions come back.
///
/// A driver does not call it: [`TxRing`](crate::netdev::TxRing) does, and keeps the packets.
///
/// # Safety
///
/// An implementation promises that its device, which [`device`](Self::device) names, reads the range of a descriptor
/// only after [`post`](Self::post) got it, and not after [`complete`](Self::complete) has returned a completion with that
/// descriptor's id, nor after [`stop`](Self::stop) has returned; and that it never writes it. Everything else in a
/// completion may be wrong: it is checked.
pub unsafe trait DmaTxQueue: Send {
    /// The device that the queue is of: pages are mapped for it, and only device memory that is mapped for it is posted.
    fn device(&self) -> &Arc<dyn DmaDevice>;

    /// How many descriptors the ring holds; at least 1, at most 32768. Does not change.
    fn depth(&self) -> usize;

    /// Writes a descriptor. Never called with more than [`depth`](Self::depth) of them out. The device need not notice a
    /// packet before [`kick`](Self::kick), and may. Ordering the descriptors before the doorbell is this trait's business.
    fn post(&mut self, descriptor: TxDescriptor);

    /// Tells the device that there are new packets (the doorbell).
    fn kick(&mut self);

    /// The next completion, if there is one: one for each packet.
    fn complete(&mut self) -> Option<TxCompletion>;

    /// Stops the queue for good: when it returns, the device reads none of its buffers any more. Called once.
    fn stop(&mut self);
}

/// A checksum that the device computes: the sum of the packet from byte `start` on, stored `offset` bytes behind that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxChecksum {
    /// Where the sum begins, from the start of the packet: `csum_start`.
    pub start: u16,
    /// Where it goes, from `start` on: `csum_offset`.
    pub offset: u16,
}

/// One piece of a packet on its way to the device.
///
/// Only a [`TxRing`](crate::netdev::TxRing) makes one, of a packet that it holds until the completion (rules C4 and O3).
#[derive(Debug)]
pub struct TxDescriptor {
    id: u32,
    data: DmaSlice,
    end_of_packet: bool,
    checksum: Option<TxChecksum>,
}

assert_not_impl_any!(TxDescriptor: Clone, Copy, Default, zerocopy::FromZeros, zerocopy::TryFromBytes);

impl TxDescriptor {
    pub(crate) fn new(id: u32, data: DmaSlice, end_of_packet: bool, checksum: Option<TxChecksum>) -> Self {
        TxDescriptor { id, data, end_of_packet, checksum }
    }

    /// What the completion must name: the packet, which all of its descriptors share.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What the device reads.
    pub fn data(&self) -> DmaSlice {
        self.data
    }

    /// Whether this piece is the last of its packet.
    pub fn end_of_packet(&self) -> bool {
        self.end_of_packet
    }

    /// What the device is to compute; with the last piece.
    pub fn checksum(&self) -> Option<TxChecksum> {
        self.checksum
    }
}

/// What a device says of a packet: as reported, nothing believed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TxCompletion {
    /// The id of the packet's descriptors.
    pub id: u32,
    /// Whether the device failed to send it (a DMA fault, say).
    pub failed: bool,
}
