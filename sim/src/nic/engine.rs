//! The device itself: a thread that takes frames from the cable and writes them where descriptors say.

use super::event::Event;
use super::frame::{self, Parsed};
use super::hostile::{Fault, Schedule, Trick};
use super::queue::{Active, EngineQueue, QueueSlot, RxRings, Side};
use super::traffic::{Next, Traffic, TrafficError};
use super::wire::Descriptor;
use crate::dma::{DmaBus, DmaFault};
use netmem::dma::RxCompletion;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

/// What the engine shares with [`Nic`](super::Nic).
#[derive(Debug, Default)]
pub(super) struct Control {
    /// The receiving half.
    pub(super) rx: Arc<Side>,
    /// The sending half.
    pub(super) tx: Arc<Side>,
    /// Raised by the engine.
    pub(super) interrupt: Event,
    /// The engine is to end.
    pub(super) quit: AtomicBool,
    /// The device has been taken out.
    pub(super) gone: AtomicBool,
    /// The engine has ended.
    pub(super) ended: AtomicBool,
    /// Frames for a port that no queue is for.
    pub(super) unsteered: AtomicU64,
    /// Frames longer than the device takes.
    pub(super) too_long: AtomicU64,
}

impl Control {
    /// The device is taken out.
    pub(super) fn remove(&self) {
        self.gone.store(true, Release);
        self.wake();
    }

    /// Both halves are to look at what they are told.
    pub(super) fn wake(&self) {
        self.rx.doorbell.raise();
        self.tx.doorbell.raise();
    }

    /// Whether both halves are to end.
    pub(super) fn over(&self) -> bool {
        self.quit.load(Acquire) || self.gone.load(Acquire)
    }
}

pub(super) struct Engine {
    pub(super) bus: Arc<dyn DmaBus>,
    pub(super) control: Arc<Control>,
    pub(super) steering: Vec<(u16, usize)>,
    pub(super) default_queue: Option<usize>,
    pub(super) pause: Option<Duration>,
    pub(super) max_frame: usize,
    pub(super) checksums: bool,
    pub(super) hostile: Option<Schedule>,
    queues: Vec<EngineQueue<RxRings>>,
    /// Descriptors of the frame at hand. Kept for its allocation.
    taken: Vec<Descriptor>,
}

/// Says that the engine has ended, and that it will begin with no queue any more, however it ends. Those that run are
/// stopped as the engine is dropped.
struct Ended<'a>(&'a Control, Vec<Arc<QueueSlot<RxRings>>>);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.1.iter().for_each(|queue| queue.end());
        self.0.ended.store(true, Release);
        self.0.interrupt.raise();
    }
}

impl Engine {
    pub(super) fn new(bus: Arc<dyn DmaBus>, control: Arc<Control>, queues: &[Arc<QueueSlot<RxRings>>]) -> Self {
        Engine {
            bus,
            control,
            steering: Vec::new(),
            default_queue: None,
            pause: None,
            max_frame: usize::MAX,
            checksums: false,
            hostile: None,
            queues: queues.iter().map(|slot| EngineQueue::new(slot.clone())).collect(),
            taken: Vec::new(),
        }
    }

    /// Runs until the traffic ends, or it is told to quit. What it finds of the queues may change at any time.
    pub(super) fn run(mut self, mut traffic: Box<dyn Traffic>) -> Result<(), TrafficError> {
        let control = self.control.clone();
        let _ = control.rx.thread.set(std::thread::current().id());
        let _ended = Ended(&control, self.queues.iter().map(|queue| queue.slot.clone()).collect());
        let mut bytes = Vec::new();
        while !self.done() {
            match traffic.next_frame(&mut bytes)? {
                Next::Frame => self.receive(&bytes),
                Next::Idle => {}
                Next::End => break,
            }
        }
        Ok(())
    }

    /// Stops the generations that are to stop, and begins with those that wait for it. True when the engine is to end.
    fn done(&mut self) -> bool {
        self.queues.iter_mut().for_each(EngineQueue::turn);
        self.control.over()
    }

    /// Which queue a frame is for.
    fn steer(&self, parsed: &Parsed) -> Option<usize> {
        let port = parsed.dst_port;
        let rule = self.steering.iter().find(|(to, _)| port == Some(*to));
        rule.map(|(_, queue)| *queue).or(self.default_queue)
    }

    fn receive(&mut self, bytes: &[u8]) {
        if bytes.len() > self.max_frame {
            self.control.too_long.fetch_add(1, Relaxed);
            return;
        }
        let parsed = frame::parse(bytes);
        let Some(index) = self.steer(&parsed) else {
            self.control.unsteered.fetch_add(1, Relaxed);
            return;
        };
        if self.take(index, bytes.len(), &parsed) {
            self.deliver(index, bytes, &parsed);
            self.control.interrupt.raise();
        }
    }

    /// Takes the descriptors that the frame needs, waiting for them if there is flow control. False when it is dropped.
    fn take(&mut self, index: usize, len: usize, parsed: &Parsed) -> bool {
        let mut deadline = None;
        loop {
            if self.done() {
                return false;
            }
            let queue = &mut self.queues[index];
            let now = queue.registers();
            if queue.active.as_mut().is_some_and(|active| active.take(len, parsed, &mut self.taken)) {
                queue.given_up = false;
                return true;
            }
            let wait = match (self.pause, deadline) {
                (None, _) => Duration::ZERO,
                (Some(pause), None) => {
                    // A pause that is longer than time goes begins anew each time.
                    deadline = Instant::now().checked_add(pause);
                    pause
                }
                (Some(_), Some(deadline)) => deadline.saturating_duration_since(Instant::now()),
            };
            let in_vain = match &queue.active {
                // It would not fit into all there is.
                Some(active) => active.has_everything(now),
                None => queue.given_up,
            };
            if in_vain || wait.is_zero() {
                queue.given_up = queue.active.is_none();
                queue.slot.no_buffer.fetch_add(1, Relaxed);
                return false;
            }
            let (control, queues) = (&self.control, &self.queues);
            control.rx.doorbell.wait(Some(wait), || {
                queues[index].registers() != now || queues.iter().any(EngineQueue::has_turn) || control.over()
            });
        }
    }

    /// Writes a frame into the buffers that were taken for it, and completes them.
    fn deliver(&mut self, index: usize, bytes: &[u8], parsed: &Parsed) {
        let EngineQueue { slot, active: Some(queue), .. } = &mut self.queues[index] else { return };
        let csum_ok = if self.checksums { frame::checksum_ok(bytes) } else { None };
        let fault = self.hostile.as_mut().and_then(Schedule::next);
        let is = |trick| fault.is_some_and(|fault| fault.trick == trick);
        let cut = fault.map_or(bytes, |fault: Fault| fault.cut(bytes));
        let parsed = if cut.len() == bytes.len() { *parsed } else { frame::parse(cut) };
        let (mut rest, mut whole) = (cut, true);
        let count = self.taken.len();
        for (i, descriptor) in self.taken.drain(..).enumerate() {
            let header = if i == 0 { split(&descriptor, cut.len(), &parsed) } else { 0 };
            let (to_header, behind) = rest.split_at(header);
            let (to_payload, behind) = behind.split_at(behind.len().min(descriptor.payload_len.get() as usize));
            rest = behind;
            let written = dma(&*self.bus, descriptor.header.get(), to_header).and_then(|()| {
                if is(Trick::DmaFault) {
                    return Err(self.bus.fault(to_payload.len()));
                }
                dma(&*self.bus, descriptor.payload.get(), to_payload)
            });
            if is(Trick::Remove) {
                self.control.remove();
                return;
            }
            whole &= written.is_ok();
            if written.is_err() {
                slot.faults.fetch_add(1, Relaxed);
            }
            let completion = RxCompletion {
                id: descriptor.id.get(),
                payload_len: to_payload.len() as u32,
                header_len: header as u32,
                end_of_frame: i + 1 == count,
                failed: written.is_err(),
                csum_ok: csum_ok.filter(|_| i + 1 == count),
            };
            match fault.filter(|_| completion.end_of_frame && !completion.failed) {
                Some(fault) => {
                    let (depth, old) = (queue.shared.depth, queue.old());
                    for completion in fault.play(completion, &descriptor, depth, old).into_iter().flatten() {
                        queue.complete(&completion);
                    }
                }
                None => queue.complete(&completion),
            }
        }
        if whole {
            slot.frames.fetch_add(1, Relaxed);
            slot.bytes.fetch_add(cut.len() as u64, Relaxed);
        }
    }
}

/// How many bytes of a frame go to the header buffer: the headers where the device understands them, and whatever fits
/// of a frame that it does not, so that no frame is unreadable as a whole.
fn split(descriptor: &Descriptor, len: usize, parsed: &Parsed) -> usize {
    let room = descriptor.header_len.get() as usize;
    match parsed.dst_port {
        Some(_) if parsed.header_len <= room => parsed.header_len,
        Some(_) => 0,
        None => len.min(room),
    }
}

/// The device writes.
fn dma(bus: &dyn DmaBus, addr: u64, bytes: &[u8]) -> Result<(), DmaFault> {
    if bytes.is_empty() {
        return Ok(());
    }
    // SAFETY: the address and at least as many bytes are those of a descriptor that was posted and has not been
    // completed: `deliver` writes before it completes, takes each descriptor once, and drops it then. Only a ring makes
    // descriptors (`RxDescriptor::new` is private to the crate), and it keeps the buffer until the completion.
    unsafe { bus.write(addr as usize, bytes) }
}

impl Active<RxRings> {
    /// Whether, with these registers, every descriptor of the ring is here and every completion has been read.
    fn has_everything(&self, registers: Option<(u32, u32)>) -> bool {
        registers.is_some_and(|(tail, read)| tail.wrapping_sub(self.head) == self.shared.depth && read == self.next)
    }

    /// Takes the descriptors for a frame of `len` bytes, if there are enough, and room for their completions.
    fn take(&mut self, len: usize, parsed: &Parsed, taken: &mut Vec<Descriptor>) -> bool {
        taken.clear();
        let available = self.available();
        let mut room = 0;
        while (taken.len() as u32) < available {
            let descriptor = self.shared.rings.descriptors.read(self.head.wrapping_add(taken.len() as u32));
            if taken.is_empty() {
                room += split(&descriptor, len, parsed);
            }
            room += descriptor.payload_len.get() as usize;
            taken.push(descriptor);
            if room >= len {
                break;
            }
        }
        // One more for a completion that answers to none.
        let fits = self.unread() + (taken.len() as u32) < self.shared.rings.completions.len();
        if room < len || taken.is_empty() || !fits {
            taken.clear();
            return false;
        }
        self.head = self.head.wrapping_add(taken.len() as u32);
        true
    }

    fn complete(&mut self, completion: &RxCompletion) {
        self.shared.rings.completions.write(self.next, completion);
        self.completed(completion.id);
    }
}
