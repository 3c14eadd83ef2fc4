//! [`NicQueue`]: the driver's end of a receive queue.

use super::event::Event;
use super::wire::{CompletionRing, DescriptorRing};
use crate::dma::{DmaDevice, DmaQueue, RxCompletion, RxDescriptor};
use std::fmt;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::thread::ThreadId;

/// Rings, registers and counters of one queue: what driver and device share.
#[derive(Debug)]
pub(super) struct QueueShared {
    pub(super) depth: u32,
    pub(super) descriptors: DescriptorRing,
    pub(super) completions: CompletionRing,
    /// Register: descriptors below are the device's. Written by the driver.
    pub(super) tail: AtomicU32,
    /// Register: completions below have been read. Written by the driver.
    pub(super) read: AtomicU32,
    /// Completions below have been written. Written by the device.
    pub(super) written: AtomicU32,
    /// Register: the driver wants the queue to stop.
    pub(super) stop: AtomicBool,
    /// The device has stopped it, and touches none of its buffers any more.
    pub(super) stopped: AtomicBool,
    /// The thread that is the device.
    engine: OnceLock<ThreadId>,
    /// Raised when it has.
    pub(super) quiet: Event,
    pub(super) frames: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) no_buffer: AtomicU64,
    pub(super) faults: AtomicU64,
}

impl QueueShared {
    pub(super) fn new(depth: u32) -> Self {
        QueueShared {
            depth,
            descriptors: DescriptorRing::new(depth as usize),
            // Room for every descriptor, and for completions that answer to none.
            completions: CompletionRing::new(2 * depth as usize),
            tail: AtomicU32::new(0),
            read: AtomicU32::new(0),
            written: AtomicU32::new(0),
            stop: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            engine: OnceLock::new(),
            quiet: Event::default(),
            frames: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            no_buffer: AtomicU64::new(0),
            faults: AtomicU64::new(0),
        }
    }

    /// Whether there is a completion that the driver has not read.
    pub(super) fn has_completion(&self) -> bool {
        self.written.load(Acquire) != self.read.load(Relaxed)
    }

    /// This thread is the device.
    pub(super) fn set_engine(&self) {
        let _ = self.engine.set(std::thread::current().id());
    }

    /// The device says that it is done with the queue for good.
    pub(super) fn set_stopped(&self) {
        self.stopped.store(true, Release);
        self.quiet.raise();
    }
}

/// The driver's end of a receive queue of the NIC: what an [`RxRing`](crate::netdev::RxRing) is made over.
pub struct NicQueue {
    shared: Arc<QueueShared>,
    doorbell: Arc<Event>,
    device: Arc<dyn DmaDevice>,
    posted: u32,
    next: u32,
}

impl NicQueue {
    pub(super) fn new(shared: Arc<QueueShared>, doorbell: Arc<Event>, device: Arc<dyn DmaDevice>) -> Self {
        NicQueue { shared, doorbell, device, posted: 0, next: 0 }
    }
}

impl fmt::Debug for NicQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NicQueue").field("posted", &self.posted).field("completed", &self.next).finish()
    }
}

// SAFETY: the device is the engine's thread. It takes addresses from descriptors only, each of them once, up to `tail`,
// which `kick` moves; it writes to them before it writes the completion with the descriptor's id, which `complete`
// acquires, and not afterwards, as it drops the descriptor then. It sets `stopped`, which `stop` acquires, where it is
// between two frames and takes no descriptor of this queue any more, or when the thread ends.
unsafe impl DmaQueue for NicQueue {
    fn device(&self) -> &Arc<dyn DmaDevice> {
        &self.device
    }

    fn depth(&self) -> usize {
        self.shared.depth as usize
    }

    fn post(&mut self, descriptor: RxDescriptor) {
        self.shared.descriptors.write(self.posted, &descriptor);
        self.posted = self.posted.wrapping_add(1);
    }

    fn kick(&mut self) {
        self.shared.tail.store(self.posted, Release);
        self.doorbell.raise();
    }

    fn complete(&mut self) -> Option<RxCompletion> {
        let completion = self.shared.completions.read(self.next)?;
        self.next = self.next.wrapping_add(1);
        self.shared.read.store(self.next, Release);
        // The device may be waiting for room.
        if self.next % (self.shared.depth / 2).max(1) == 0 {
            self.doorbell.raise();
        }
        Some(completion)
    }

    fn stop(&mut self) {
        let own = self.shared.engine.get() == Some(&std::thread::current().id());
        assert!(
            !own,
            "a NIC's queue cannot be stopped by its own thread: do not drop the driver in Traffic or PeerMemory"
        );
        self.shared.stop.store(true, Release);
        self.doorbell.raise();
        self.shared.quiet.wait(None, || self.shared.stopped.load(Acquire));
    }
}
