//! [`DmaQueue`]: how a receive ring talks to its hardware.

use super::DmaDevice;
use crate::alloc::Arc;
use crate::assert::assert_not_impl_any;
use crate::memory::DmaAddr;

/// One receive queue of a device: buffers go in as descriptors and come back as completions.
///
/// A driver does not call it: [`RxRing`](crate::netdev::RxRing) does, and keeps the buffers.
///
/// # Safety
///
/// An implementation promises that its device, which [`device`](Self::device) names, touches the ranges of a descriptor only after [`post`](Self::post) got
/// it, and not after [`complete`](Self::complete) has returned a completion with that descriptor's id, nor after
/// [`stop`](Self::stop) has returned. Everything else in a completion may be wrong: it is checked.
pub unsafe trait DmaQueue: Send {
    /// The device that the queue is of: only buffers that are mapped for it are posted.
    fn device(&self) -> &Arc<dyn DmaDevice>;

    /// How many descriptors the ring holds; at least 1, at most 32768. Does not change.
    fn depth(&self) -> usize;

    /// Writes a descriptor. Never called with more than [`depth`](Self::depth) of them out. The device need not
    /// notice it before [`kick`](Self::kick), and may. Ordering the descriptor before the doorbell is this trait's business.
    fn post(&mut self, descriptor: RxDescriptor);

    /// Tells the device that there are new descriptors (the doorbell).
    fn kick(&mut self);

    /// The next completion, if there is one. Also called after [`stop`](Self::stop), for those that were written before.
    fn complete(&mut self) -> Option<RxCompletion>;

    /// Stops the queue for good: when it returns, the device touches none of its buffers any more. Called once.
    fn stop(&mut self);
}

/// A range that a device may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaSlice {
    addr: DmaAddr,
    len: u32,
}

assert_not_impl_any!(DmaSlice: Default, From<(DmaAddr, u32)>, zerocopy::FromZeros, zerocopy::TryFromBytes);

impl DmaSlice {
    pub(crate) fn new(addr: DmaAddr, len: u32) -> Self {
        DmaSlice { addr, len }
    }

    /// Where it starts.
    pub fn addr(self) -> DmaAddr {
        self.addr
    }

    /// How many bytes it has.
    pub fn len(self) -> u32 {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// A buffer on its way to the device.
///
/// Only a [`RxRing`](crate::netdev::RxRing) makes one, of a buffer that it holds until the completion (rules C4 and O3).
#[derive(Debug)]
pub struct RxDescriptor {
    id: u32,
    payload: DmaSlice,
    header: Option<DmaSlice>,
}

assert_not_impl_any!(RxDescriptor: Clone, Copy, Default, zerocopy::FromZeros, zerocopy::TryFromBytes);

impl RxDescriptor {
    pub(crate) fn new(id: u32, payload: DmaSlice, header: Option<DmaSlice>) -> Self {
        RxDescriptor { id, payload, header }
    }

    /// What the completion must name.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Where the payload goes; the whole frame when there is no header buffer or the frame was not split.
    pub fn payload(&self) -> DmaSlice {
        self.payload
    }

    /// Where the headers go when the frame is split.
    pub fn header(&self) -> Option<DmaSlice> {
        self.header
    }
}

/// What a device says of a buffer: as reported, nothing believed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RxCompletion {
    /// The id of the descriptor.
    pub id: u32,
    /// Bytes in the payload buffer.
    pub payload_len: u32,
    /// Bytes in the header buffer; 0 when the frame was not split.
    pub header_len: u32,
    /// Whether this buffer is the last of its frame.
    pub end_of_frame: bool,
    /// Whether the device failed to receive into it (a DMA fault, say): its contents mean nothing.
    pub failed: bool,
    /// What the device says of the checksum of the frame that ends here (UDP's or TCP's); `None` when it did not check.
    pub csum_ok: Option<bool>,
}
