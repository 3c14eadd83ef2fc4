//! The sending half of the device: a thread that gathers packets where descriptors say, and puts them on the cable.

use super::engine::Control;
use super::hostile::{Fault, Schedule, Trick};
use super::queue::{Active, EngineQueue, QueueSlot, TxRings};
use super::traffic::{Sink, TrafficError};
use super::wire::TxWire;
use crate::dma::{DmaBus, DmaFault};
use netmem::dma::TxCompletion;
use netmem::skb::checksum::ip_checksum;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

pub(super) struct Sender {
    pub(super) bus: Arc<dyn DmaBus>,
    pub(super) control: Arc<Control>,
    pub(super) max_frame: usize,
    pub(super) hostile: Option<Schedule>,
    queues: Vec<EngineQueue<TxRings>>,
    /// Descriptors of the packet at hand. Kept for its allocation.
    taken: Vec<TxWire>,
    frame: Vec<u8>,
}

/// Says that no queue will be begun with any more, however it ends.
struct Ended(Vec<Arc<QueueSlot<TxRings>>>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.iter().for_each(|queue| queue.end());
    }
}

impl Sender {
    pub(super) fn new(bus: Arc<dyn DmaBus>, control: Arc<Control>, queues: &[Arc<QueueSlot<TxRings>>]) -> Self {
        Sender {
            bus,
            control,
            max_frame: usize::MAX,
            hostile: None,
            queues: queues.iter().map(|slot| EngineQueue::new(slot.clone())).collect(),
            taken: Vec::new(),
            frame: Vec::new(),
        }
    }

    /// Sends until it is told to quit, or the cable fails.
    pub(super) fn run(mut self, mut sink: Box<dyn Sink>) -> Result<(), TrafficError> {
        let control = self.control.clone();
        let _ = control.tx.thread.set(std::thread::current().id());
        let _ended = Ended(self.queues.iter().map(|queue| queue.slot.clone()).collect());
        while !self.done() {
            let mut sent = false;
            for index in 0..self.queues.len() {
                sent |= self.send(index, &mut *sink)?;
            }
            if !sent {
                let queues = &self.queues;
                control
                    .tx
                    .doorbell
                    .wait(None, || control.over() || queues.iter().any(|queue| queue.has_turn() || queue.is_ready()));
            }
        }
        Ok(())
    }

    /// Stops the generations that are to stop, and begins with those that wait for it. True when it is to end.
    fn done(&mut self) -> bool {
        self.queues.iter_mut().for_each(EngineQueue::turn);
        self.control.over()
    }

    /// Sends one packet of a queue. False when there is none.
    fn send(&mut self, index: usize, sink: &mut dyn Sink) -> Result<bool, TrafficError> {
        let EngineQueue { slot, active: Some(queue), .. } = &mut self.queues[index] else { return Ok(false) };
        if !queue.take(&mut self.taken) {
            return Ok(false);
        }
        let fault = self.hostile.as_mut().and_then(Schedule::next);
        let is = |trick| fault.is_some_and(|fault: Fault| fault.trick == trick);
        let mut whole = gather(&*self.bus, &self.taken, self.max_frame, is(Trick::DmaFault), &mut self.frame);
        if is(Trick::Remove) {
            self.taken.clear();
            self.control.remove();
            return Ok(false);
        }
        if whole.is_err() {
            slot.faults.fetch_add(1, Relaxed);
        }
        let last = self.taken.drain(..).next_back();
        let Some(last) = last else { return Ok(false) };
        if let (Ok(true), Some((start, offset))) = (whole, last.checksum()) {
            whole = Ok(store_checksum(&mut self.frame, start, offset).is_some());
        }
        let failed = whole != Ok(true);
        if !failed {
            sink.send(&self.frame)?;
            slot.frames.fetch_add(1, Relaxed);
            slot.bytes.fetch_add(self.frame.len() as u64, Relaxed);
        }
        let completion = TxCompletion { id: last.id.get(), failed };
        match fault {
            Some(fault) => {
                let (depth, old) = (queue.shared.depth, queue.old());
                for completion in fault.play_tx(completion, depth, old).into_iter().flatten() {
                    queue.complete(completion);
                }
            }
            None => queue.complete(completion),
        }
        self.control.interrupt.raise();
        Ok(true)
    }
}

/// Reads the pieces of a packet. False when it is longer than the device takes.
fn gather(
    bus: &dyn DmaBus,
    pieces: &[TxWire],
    max: usize,
    astray: bool,
    frame: &mut Vec<u8>,
) -> Result<bool, DmaFault> {
    frame.clear();
    let len = pieces.iter().fold(0_usize, |len, piece| len.saturating_add(piece.len.get() as usize));
    if len > max {
        return Ok(false);
    }
    if astray {
        return Err(bus.fault(len));
    }
    frame.resize(len, 0);
    let mut rest = &mut frame[..];
    for piece in pieces {
        let (to, behind) = rest.split_at_mut(piece.len.get() as usize);
        rest = behind;
        if !to.is_empty() {
            // SAFETY: the address and as many bytes are those of a descriptor that was posted and has not been completed:
            // `send` reads before it completes, takes each descriptor once, and drops it then. Only a ring makes
            // descriptors (`TxDescriptor::new` is private to the crate), and it keeps the packet until the completion.
            unsafe { bus.read(piece.addr.get() as usize, to) }?;
        }
    }
    Ok(true)
}

/// Computes what the driver left to the device. `None` when it would lie outside of the frame.
fn store_checksum(frame: &mut [u8], start: usize, offset: usize) -> Option<()> {
    let covered = frame.get_mut(start..)?;
    let end = offset.checked_add(2).filter(|end| *end <= covered.len())?;
    // 0 would mean that there is none (RFC 768); for TCP both are zero.
    let sum = match ip_checksum(covered) {
        0 => 0xffff,
        sum => sum,
    };
    covered[offset..end].copy_from_slice(&sum.to_be_bytes());
    Some(())
}

impl EngineQueue<TxRings> {
    /// Whether there is a packet to send, and room for its completion.
    fn is_ready(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.available() != 0 && active.has_room())
    }
}

impl Active<TxRings> {
    /// Whether there is room for a completion, and for one that answers to none.
    fn has_room(&self) -> bool {
        self.unread() + 1 < self.shared.rings.completions.len()
    }

    /// Takes the descriptors of one packet, up to the one that ends it. One that has no end is taken as it is: the
    /// driver rang the doorbell for it.
    fn take(&mut self, taken: &mut Vec<TxWire>) -> bool {
        taken.clear();
        let available = self.available().min(self.shared.depth);
        if !self.has_room() {
            return false;
        }
        for _ in 0..available {
            let descriptor = self.shared.rings.descriptors.read(self.head);
            self.head = self.head.wrapping_add(1);
            taken.push(descriptor);
            if descriptor.end_of_packet() {
                break;
            }
        }
        !taken.is_empty()
    }

    fn complete(&mut self, completion: TxCompletion) {
        self.shared.rings.completions.write(self.next, completion);
        self.completed(completion.id);
    }
}
