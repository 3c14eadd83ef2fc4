//! [`NicQueue`] and [`NicTxQueue`]: the driver's ends of queues, and the generations that a queue goes through.

use super::event::Event;
use super::wire::{CompletionRing, DescriptorRing, TxCompletionRing, TxDescriptorRing};
use netmem::dma::{DmaDevice, DmaQueue, DmaTxQueue, RxCompletion, RxDescriptor, TxCompletion, TxDescriptor};
use netmem::netdev::{NetmemTx, NetmemTxMode};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;

/// One direction of the device: the thread that serves its queues.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// Raised by the driver's side.
    pub(super) doorbell: Event,
    /// The thread.
    pub(super) thread: OnceLock<ThreadId>,
}

/// The memory of a queue's rings.
pub(super) trait Rings {
    /// Rings for this many descriptors, and twice as many completions: for every descriptor, and for completions that
    /// answer to none.
    fn new(depth: usize) -> Self;
}

/// The rings of a receive queue.
#[derive(Debug)]
pub(super) struct RxRings {
    pub(super) descriptors: DescriptorRing,
    pub(super) completions: CompletionRing,
}

impl Rings for RxRings {
    fn new(depth: usize) -> Self {
        RxRings { descriptors: DescriptorRing::new(depth), completions: CompletionRing::new(2 * depth) }
    }
}

/// The rings of a transmit queue.
#[derive(Debug)]
pub(super) struct TxRings {
    pub(super) descriptors: TxDescriptorRing,
    pub(super) completions: TxCompletionRing,
}

impl Rings for TxRings {
    fn new(depth: usize) -> Self {
        TxRings { descriptors: TxDescriptorRing::new(depth), completions: TxCompletionRing::new(2 * depth) }
    }
}

/// How many generations of a queue may live: one that runs, and one that waits for it to stop.
const GENERATIONS: usize = 2;

/// One queue of the device. Its rings come and go with their generation; its counters stay.
pub(super) struct QueueSlot<R> {
    depth: u32,
    /// The position at which the registers of each generation start.
    first: u32,
    generations: Mutex<Generations<R>>,
    /// Moves when the list does. 64 bits do not come round: a change is never taken for none.
    version: AtomicU64,
    pub(super) frames: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) no_buffer: AtomicU64,
    pub(super) faults: AtomicU64,
}

/// The generations of a queue that have a driver's end, oldest first. Only the driver's side adds and removes.
struct Generations<R> {
    live: Vec<Arc<QueueShared<R>>>,
    /// The engine has ended: no generation is touched any more.
    ended: bool,
}

impl<R: Rings> QueueSlot<R> {
    pub(super) fn new(depth: u32, first: u32) -> Self {
        QueueSlot {
            depth,
            first,
            generations: Mutex::new(Generations { live: Vec::new(), ended: false }),
            version: AtomicU64::new(0),
            frames: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            no_buffer: AtomicU64::new(0),
            faults: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations<R>> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves when a generation was added or removed.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Acquire)
    }

    /// A new generation, with fresh rings; `None` when there are as many as can be.
    fn add(&self) -> Option<Arc<QueueShared<R>>> {
        let mut generations = self.lock();
        if generations.live.iter().filter(|one| !one.stopping()).count() >= GENERATIONS {
            return None;
        }
        let shared = Arc::new(QueueShared::new(self.depth, self.first));
        shared.stopped.store(generations.ended, Release);
        generations.live.push(shared.clone());
        self.version.fetch_add(1, Release);
        Some(shared)
    }

    /// Takes a generation off the list. False when the device has it, and does not yet say that it is done with it.
    fn remove(&self, shared: &Arc<QueueShared<R>>) -> bool {
        let mut generations = self.lock();
        generations.live.retain(|one| !Arc::ptr_eq(one, shared));
        self.version.fetch_add(1, Release);
        // From here on the engine does not find it, so what it has not begun it will not begin.
        !shared.begun.load(Relaxed) || shared.stopped.load(Acquire)
    }

    /// The engine begins with the oldest generation that is not to stop. It has none.
    pub(super) fn begin(&self) -> (Option<Arc<QueueShared<R>>>, u64) {
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
pub(super) struct QueueShared<R> {
    pub(super) depth: u32,
    /// The position at which the registers start.
    first: u32,
    pub(super) rings: R,
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

impl<R> QueueShared<R> {
    fn new(depth: u32, first: u32) -> Self
    where
        R: Rings,
    {
        QueueShared {
            depth,
            first,
            rings: R::new(depth as usize),
            tail: AtomicU32::new(first),
            read: AtomicU32::new(first),
            written: AtomicU32::new(first),
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

/// One queue as the engine of its side sees it.
pub(super) struct EngineQueue<R> {
    pub(super) slot: Arc<QueueSlot<R>>,
    /// The generation that runs; `None` while the queue is stopped.
    pub(super) active: Option<Active<R>>,
    /// The version of the list of generations when it was last looked at.
    seen: u64,
    /// A frame has waited in vain for a queue that is stopped: others are dropped at once, until it runs again.
    pub(super) given_up: bool,
}

/// The generation of a queue that runs.
pub(super) struct Active<R> {
    pub(super) shared: Arc<QueueShared<R>>,
    /// Next descriptor to take.
    pub(super) head: u32,
    /// Next completion to write.
    pub(super) next: u32,
    /// The ids that were completed last, half a ring of them, for a device that confuses them.
    history: VecDeque<u32>,
}

impl<R: Rings> EngineQueue<R> {
    pub(super) fn new(slot: Arc<QueueSlot<R>>) -> Self {
        EngineQueue { seen: slot.version(), slot, active: None, given_up: false }
    }

    /// Whether there is something for [`turn`](Self::turn) to do.
    pub(super) fn has_turn(&self) -> bool {
        match &self.active {
            Some(active) => active.shared.stopping(),
            None => self.slot.version() != self.seen,
        }
    }

    /// Stops the generation that runs if it is to stop, and begins with the next one if there is one.
    pub(super) fn turn(&mut self) {
        if !self.has_turn() {
            return;
        }
        self.active = None;
        let (next, seen) = self.slot.begin();
        self.seen = seen;
        self.active =
            next.map(|shared| Active { head: shared.first, next: shared.first, shared, history: VecDeque::new() });
    }

    /// What the driver has written: the tail, and how far it has read.
    pub(super) fn registers(&self) -> Option<(u32, u32)> {
        let shared = &self.active.as_ref()?.shared;
        Some((shared.tail.load(Acquire), shared.read.load(Acquire)))
    }
}

impl<R> Drop for Active<R> {
    /// However the engine parts with it: it is between two frames then, and has no descriptor in hand that it uses.
    fn drop(&mut self) {
        self.shared.set_stopped();
    }
}

impl<R> Active<R> {
    /// How many descriptors there are to take.
    pub(super) fn available(&self) -> u32 {
        self.shared.tail.load(Acquire).wrapping_sub(self.head)
    }

    /// How many completions the driver has not read.
    pub(super) fn unread(&self) -> u32 {
        self.next.wrapping_sub(self.shared.read.load(Acquire))
    }

    /// The id that was completed half a ring ago.
    pub(super) fn old(&self) -> u32 {
        self.history.front().copied().unwrap_or_default()
    }

    /// A completion of this id has been written at `next`.
    pub(super) fn completed(&mut self, id: u32) {
        if self.history.len() as u32 >= self.shared.depth / 2 {
            self.history.pop_front();
        }
        self.history.push_back(id);
        self.next = self.next.wrapping_add(1);
        self.shared.written.store(self.next, Release);
    }
}

/// The driver's end of one generation of a queue.
struct End<R: Rings> {
    slot: Arc<QueueSlot<R>>,
    shared: Arc<QueueShared<R>>,
    side: Arc<Side>,
    device: Arc<dyn DmaDevice>,
    posted: u32,
    next: u32,
}

impl<R: Rings> End<R> {
    /// A new generation of a queue; `None` when it has as many as can be.
    fn new(slot: Arc<QueueSlot<R>>, side: Arc<Side>, device: Arc<dyn DmaDevice>) -> Option<Self> {
        let shared = slot.add()?;
        // A frame may be waiting for it.
        side.doorbell.raise();
        Some(End { posted: shared.first, next: shared.first, slot, shared, side, device })
    }

    /// Returns how many descriptors were written, as far as 32 bits go.
    fn posted(&self) -> u32 {
        self.posted.wrapping_sub(self.shared.first)
    }

    /// Returns how many completions were read, as far as 32 bits go.
    fn completed(&self) -> u32 {
        self.next.wrapping_sub(self.shared.first)
    }

    fn kick(&self) {
        self.shared.tail.store(self.posted, Release);
        self.side.doorbell.raise();
    }

    /// The completion at `next` has been read.
    fn has_read(&mut self) {
        self.next = self.next.wrapping_add(1);
        self.shared.read.store(self.next, Release);
        // The device may be waiting for room.
        if self.next % (self.shared.depth / 2).max(1) == 0 {
            self.side.doorbell.raise();
        }
    }

    /// Asks the device to stop it, and takes it off the list. True when it will not be touched any more.
    fn begin_stop(&self) -> bool {
        self.shared.stop.store(true, Release);
        let quiet = self.slot.remove(&self.shared);
        self.side.doorbell.raise();
        quiet
    }

    fn stop(&self) {
        let own = self.side.thread.get() == Some(&std::thread::current().id());
        assert!(
            !own,
            "a NIC's queue cannot be stopped by its own thread: do not drop the driver in Traffic, Sink or PeerMemory"
        );
        if !self.begin_stop() {
            self.shared.quiet.wait(None, || self.shared.stopped.load(Acquire));
        }
    }
}

impl<R: Rings> Drop for End<R> {
    fn drop(&mut self) {
        if !self.shared.stopping() {
            // Nothing that it holds is posted any more, or it is leaked: a ring stops its queue.
            self.begin_stop();
        }
    }
}

/// The driver's end of a receive queue of the NIC: what an [`RxRing`](netmem::netdev::RxRing) is made over.
///
/// It is one generation of the queue: a queue that is restarted gets another one, with rings of its own.
pub struct NicQueue(End<RxRings>);

impl NicQueue {
    pub(super) fn new(slot: Arc<QueueSlot<RxRings>>, side: Arc<Side>, device: Arc<dyn DmaDevice>) -> Option<Self> {
        End::new(slot, side, device).map(NicQueue)
    }
}

impl fmt::Debug for NicQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NicQueue").field("posted", &self.0.posted()).field("completed", &self.0.completed()).finish()
    }
}

// SAFETY: the device is the engine's thread. It takes addresses from descriptors only, each of them once, up to `tail`,
// which `kick` moves; it writes to them before it writes the completion with the descriptor's id, which `complete`
// acquires, and not afterwards, as it drops the descriptor then. It sets `stopped`, which `stop` acquires, where it is
// between two frames and takes no descriptor of this generation any more, as it begins with another one then, or when
// the thread ends. A generation that it never began with is off its list when `stop` returns, and the lock of the list
// orders the two. Other generations have rings of their own, so no descriptor of this one is ever read through them.
// `complete` returns what the device has written at this position and nothing older, because laps that follow each other
// differ, where positions come round as well (`wire::lap` proves it).
unsafe impl DmaQueue for NicQueue {
    fn device(&self) -> &Arc<dyn DmaDevice> {
        &self.0.device
    }

    fn depth(&self) -> usize {
        self.0.shared.depth as usize
    }

    fn post(&mut self, descriptor: RxDescriptor) {
        self.0.shared.rings.descriptors.write(self.0.posted, &descriptor);
        self.0.posted = self.0.posted.wrapping_add(1);
    }

    fn kick(&mut self) {
        self.0.kick();
    }

    fn complete(&mut self) -> Option<RxCompletion> {
        let completion = self.0.shared.rings.completions.read(self.0.next)?;
        self.0.has_read();
        Some(completion)
    }

    fn stop(&mut self) {
        self.0.stop();
    }
}

/// The driver's end of a transmit queue of the NIC: what a [`TxRing`](netmem::netdev::TxRing) is made over.
///
/// The NIC gathers a packet by DMA and never asks whose memory it is, so it transmits device memory, too.
pub struct NicTxQueue(End<TxRings>);

impl NicTxQueue {
    pub(super) fn new(slot: Arc<QueueSlot<TxRings>>, side: Arc<Side>, device: Arc<dyn DmaDevice>) -> Option<Self> {
        End::new(slot, side, device).map(NicTxQueue)
    }
}

impl NetmemTx for NicTxQueue {
    const MODE: NetmemTxMode = NetmemTxMode::Dma;
}

impl fmt::Debug for NicTxQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NicTxQueue").field("posted", &self.0.posted()).field("completed", &self.0.completed()).finish()
    }
}

// SAFETY: as for `NicQueue`, with the thread that sends and with reads: it reads what the descriptors of a packet name
// before it writes the completion with their id, and not afterwards, as it drops them then. It writes to none of it: it
// has its frame in memory of its own. Positions and laps are the same, and so is their proof.
unsafe impl DmaTxQueue for NicTxQueue {
    fn device(&self) -> &Arc<dyn DmaDevice> {
        &self.0.device
    }

    fn depth(&self) -> usize {
        self.0.shared.depth as usize
    }

    fn post(&mut self, descriptor: TxDescriptor) {
        self.0.shared.rings.descriptors.write(self.0.posted, &descriptor);
        self.0.posted = self.0.posted.wrapping_add(1);
    }

    fn kick(&mut self) {
        self.0.kick();
    }

    fn complete(&mut self) -> Option<TxCompletion> {
        let completion = self.0.shared.rings.completions.read(self.0.next)?;
        self.0.has_read();
        Some(completion)
    }

    fn stop(&mut self) {
        self.0.stop();
    }
}
