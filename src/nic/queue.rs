//! [`NicQueue`]: the driver's end of a receive queue, and the generations that a queue goes through.

use super::engine::Control;
use super::event::Event;
use super::wire::{CompletionRing, DescriptorRing};
use crate::dma::{DmaDevice, DmaQueue, RxCompletion, RxDescriptor};
use std::fmt;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many generations of a queue may live: one that runs, and one that waits for it to stop.
const GENERATIONS: usize = 2;

/// One receive queue of the device. Its rings come and go with their generation; its counters stay.
#[derive(Debug)]
pub(super) struct QueueSlot {
    depth: u32,
    generations: Mutex<Generations>,
    /// Moves when the list does.
    version: AtomicU32,
    pub(super) frames: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) no_buffer: AtomicU64,
    pub(super) faults: AtomicU64,
}

/// The generations of a queue that have a driver's end, oldest first. Only the driver's side adds and removes.
#[derive(Debug, Default)]
struct Generations {
    live: Vec<Arc<QueueShared>>,
    /// The engine has ended: no generation is touched any more.
    ended: bool,
}

impl QueueSlot {
    pub(super) fn new(depth: u32) -> Self {
        QueueSlot {
            depth,
            generations: Mutex::default(),
            version: AtomicU32::new(0),
            frames: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            no_buffer: AtomicU64::new(0),
            faults: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves when a generation was added or removed.
    pub(super) fn version(&self) -> u32 {
        self.version.load(Acquire)
    }

    /// A new generation, with fresh rings; `None` when there are as many as can be.
    fn add(&self) -> Option<Arc<QueueShared>> {
        let mut generations = self.lock();
        if generations.live.iter().filter(|one| !one.stopping()).count() >= GENERATIONS {
            return None;
        }
        let shared = Arc::new(QueueShared::new(self.depth));
        shared.stopped.store(generations.ended, Release);
        generations.live.push(shared.clone());
        self.version.fetch_add(1, Release);
        Some(shared)
    }

    /// Takes a generation off the list. False when the device has it, and does not yet say that it is done with it.
    fn remove(&self, shared: &Arc<QueueShared>) -> bool {
        let mut generations = self.lock();
        generations.live.retain(|one| !Arc::ptr_eq(one, shared));
        self.version.fetch_add(1, Release);
        // From here on the engine does not find it, so what it has not begun it will not begin.
        !shared.begun.load(Relaxed) || shared.stopped.load(Acquire)
    }

    /// The engine begins with the oldest generation that is not to stop. It has none.
    pub(super) fn begin(&self) -> (Option<Arc<QueueShared>>, u32) {
        let generations = self.lock();
        let next = generations.live.iter().find(|one| !one.stopping());
        if let Some(next) = next {
            next.begun.store(true, Relaxed);
        }
        (next.cloned(), self.version())
    }

    /// The engine has ended.
    pub(super) fn end(&self) {
        let mut generations = self.lock();
        generations.ended = true;
        generations.live.iter().for_each(|one| one.set_stopped());
    }

    /// Whether there is a completion that the driver has not read.
    pub(super) fn has_completion(&self) -> bool {
        self.lock().live.iter().any(|one| one.has_completion())
    }
}

/// Rings and registers of one generation of a queue: what driver and device share.
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
    /// The engine has begun with it. Under the lock of the list.
    begun: AtomicBool,
    /// Raised when the device has stopped it.
    quiet: Event,
}

impl QueueShared {
    fn new(depth: u32) -> Self {
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
            begun: AtomicBool::new(false),
            quiet: Event::default(),
        }
    }

    /// Whether there is a completion that the driver has not read.
    fn has_completion(&self) -> bool {
        self.written.load(Acquire) != self.read.load(Relaxed)
    }

    /// Whether the driver wants it to stop.
    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Acquire)
    }

    /// The device says that it is done with this generation for good.
    pub(super) fn set_stopped(&self) {
        self.stopped.store(true, Release);
        self.quiet.raise();
    }
}

/// The driver's end of a receive queue of the NIC: what an [`RxRing`](crate::netdev::RxRing) is made over.
///
/// It is one generation of the queue: a queue that is restarted gets another one, with rings of its own.
pub struct NicQueue {
    slot: Arc<QueueSlot>,
    shared: Arc<QueueShared>,
    control: Arc<Control>,
    device: Arc<dyn DmaDevice>,
    posted: u32,
    next: u32,
}

impl NicQueue {
    /// A new generation of a queue; `None` when it has as many as can be.
    pub(super) fn new(slot: Arc<QueueSlot>, control: Arc<Control>, device: Arc<dyn DmaDevice>) -> Option<Self> {
        let shared = slot.add()?;
        // A frame may be waiting for it.
        control.doorbell.raise();
        Some(NicQueue { slot, shared, control, device, posted: 0, next: 0 })
    }

    /// Asks the device to stop it, and takes it off the list. True when it will not be touched any more.
    fn begin_stop(&self) -> bool {
        self.shared.stop.store(true, Release);
        let quiet = self.slot.remove(&self.shared);
        self.control.doorbell.raise();
        quiet
    }
}

impl Drop for NicQueue {
    fn drop(&mut self) {
        if !self.shared.stopping() {
            // Nothing that it holds is posted any more, or it is leaked: a ring stops its queue.
            self.begin_stop();
        }
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
// between two frames and takes no descriptor of this generation any more, as it begins with another one then, or when
// the thread ends. A generation that it never began with is off its list when `stop` returns, and the lock of the list
// orders the two. Other generations have rings of their own, so no descriptor of this one is ever read through them.
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
        self.control.doorbell.raise();
    }

    fn complete(&mut self) -> Option<RxCompletion> {
        let completion = self.shared.completions.read(self.next)?;
        self.next = self.next.wrapping_add(1);
        self.shared.read.store(self.next, Release);
        // The device may be waiting for room.
        if self.next % (self.shared.depth / 2).max(1) == 0 {
            self.control.doorbell.raise();
        }
        Some(completion)
    }

    fn stop(&mut self) {
        let own = self.control.engine.get() == Some(&std::thread::current().id());
        assert!(
            !own,
            "a NIC's queue cannot be stopped by its own thread: do not drop the driver in Traffic or PeerMemory"
        );
        if !self.begin_stop() {
            self.shared.quiet.wait(None, || self.shared.stopped.load(Acquire));
        }
    }
}
