//! A NIC model: rings, completions, header split, flow steering, a DMA engine on a thread of its own, and traffic.
//!
//! [`Nic`] implements [`Hardware`]. The device reaches memory only through a
//! [`DmaBus`], by the addresses that descriptors carry; it has no handle on anything. Frames come
//! from a [`Traffic`]: a generator, a capture file, or the kernel's own stack through a TAP device. What is sent goes
//! into a [`Sink`]: it is collected, comes back as traffic, or goes to the TAP device.

mod engine;
mod event;
pub mod frame;
mod hostile;
mod queue;
mod send;
pub mod traffic;
mod wire;

pub use hostile::{Hostile, Trick};
pub use queue::{NicQueue, NicTxQueue};

use crate::dma::DmaBus;
use engine::{Control, Engine};
use hostile::Schedule;
use netmem::dma::DmaDevice;
use netmem::memory::PageOrIov;
use netmem::netdev::{Capabilities, Hardware, TxHardware};
use queue::{QueueSlot, RxRings, TxRings};
use send::Sender;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::thread::JoinHandle;
use std::time::Duration;
use traffic::{Sink, Traffic, TrafficError};

/// How a NIC is set up.
#[derive(Clone, Debug)]
pub struct NicParams {
    /// How many receive queues: 1 to 64.
    pub queues: usize,
    /// Descriptors in a ring: a power of two, 2 to 32768.
    pub depth: u32,
    /// Which UDP or TCP destination port goes to which queue.
    pub steering: Vec<(u16, usize)>,
    /// Where frames go that no rule is for; `None` drops them.
    pub default_queue: Option<usize>,
    /// Flow control: how long the cable waits when there are not enough buffers for a frame (PAUSE frames), or its
    /// queue is being restarted, before the frame is dropped. `None` drops it at once.
    pub pause: Option<Duration>,
    /// The longest frame taken, in bytes. An XDP program needs one that fits a buffer of the queue.
    pub max_frame: usize,
    /// Whether the device checks what it receives: the checksum of UDP and TCP.
    pub checksums: bool,
    /// What goes wrong, and when: a hostile device, or one that breaks.
    pub hostile: Option<Hostile>,
    /// The same for the sending half.
    pub tx_hostile: Option<Hostile>,
    /// The position at which the registers of each ring start, in both halves. Positions are 32 bits and come round: from just
    /// below 2^32 a device is seen as after so many descriptors. Hardware resets them to 0.
    pub first_position: u32,
}

impl Default for NicParams {
    fn default() -> Self {
        NicParams {
            queues: 1,
            depth: 256,
            steering: Vec::new(),
            default_queue: Some(0),
            pause: Some(Duration::from_secs(5)),
            max_frame: 9216,
            checksums: true,
            hostile: None,
            tx_hostile: None,
            first_position: 0,
        }
    }
}

/// Why there is no NIC, or why it stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NicError {
    /// A number of queues that no NIC has.
    #[error("a NIC with {queues} receive queues is not possible: ask for 1 to 64")]
    Queues {
        /// What was asked for.
        queues: usize,
    },
    /// A depth that no ring has.
    #[error("a ring of {depth} descriptors is not possible: ask for a power of two from 2 to 32768")]
    Depth {
        /// What was asked for.
        depth: u32,
    },
    /// A rule for a queue that is not there.
    #[error("port {port:?} is steered to queue {queue}, but there are only {queues}: steer to 0..{queues}")]
    Steering {
        /// The port; `None` for the default queue.
        port: Option<u16>,
        /// Where to.
        queue: usize,
        /// How many there are.
        queues: usize,
    },
    /// No thread for the engine.
    #[error("cannot start the NIC's thread: {0}")]
    Thread(io::Error),
    /// The traffic failed.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// The engine panicked.
    #[error("the NIC's thread panicked: {0}")]
    Panicked(String),
}

/// What a queue of the device has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NicQueueStats {
    /// Frames written to buffers, whole.
    pub frames: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Frames dropped because there were not enough buffers, or the queue was stopped.
    pub no_buffer: u64,
    /// Buffers that DMA did not reach.
    pub faults: u64,
}

/// What the device has counted before it knew a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NicStats {
    /// Frames for a port that no queue is for.
    pub unsteered: u64,
    /// Frames longer than the device takes.
    pub too_long: u64,
}

/// A network interface that receives, and sends if it has a [`Sink`]. Dropping it stops its threads.
pub struct Nic {
    control: Arc<Control>,
    slots: Vec<Arc<QueueSlot<RxRings>>>,
    tx_slots: Vec<Arc<QueueSlot<TxRings>>>,
    device: Arc<dyn DmaDevice>,
    max_frame: usize,
    engine: Option<JoinHandle<Result<(), TrafficError>>>,
    sender: Option<JoinHandle<Result<(), TrafficError>>>,
}

impl Nic {
    /// Starts a NIC that receives `traffic` and has no transmit queues, and reaches memory through `bus`. It waits for descriptors.
    ///
    /// # Errors
    ///
    /// [`NicError`]: the parameters are not possible, or there is no thread.
    pub fn start(params: NicParams, bus: Arc<dyn DmaBus>, traffic: Box<dyn Traffic>) -> Result<Self, NicError> {
        Self::start_halves(params, bus, traffic, None)
    }

    /// Starts a NIC that receives `traffic` and puts what it sends into `sink`, with as many transmit queues as it has
    /// receive queues. Its halves are two threads: neither waits for the other.
    ///
    /// ```
    /// use netmem_sim::dma::{DmaBus, Iommu};
    /// use netmem_drivers::Transmitter;
    /// use netmem::{mm::Zone, skb::Skb};
    /// use netmem_sim::nic::{Nic, NicParams};
    /// use netmem_sim::nic::traffic::{Collect, loopback};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (zone, device, sent) = (Zone::new(64)?, Arc::new(Iommu::new()), Collect::new());
    /// let (_nobody_sends, traffic) = loopback(1);
    /// let (traffic, sink) = (Box::new(traffic), Box::new(sent.clone()));
    /// let mut nic = Nic::start_duplex(NicParams::default(), device.clone(), traffic, sink)?;
    ///
    /// let mut transmitter = Transmitter::new(&mut nic, 1, &zone)?;
    /// let skb = Skb::copy_from(b"an Ethernet frame").expect("there is memory");
    /// transmitter.send(0, skb.into_readable().expect("it is on the heap"))?;
    /// transmitter.kick();
    /// while !nic.has_tx_completions() {
    ///     nic.wait(Duration::from_millis(10));
    /// }
    /// assert_eq!(sent.frames(), [b"an Ethernet frame"]);
    /// drop(transmitter);
    /// assert_eq!((zone.free_frames(), device.stats().mapped(), device.stats().faults), (64, 0, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_duplex(
        params: NicParams,
        bus: Arc<dyn DmaBus>,
        traffic: Box<dyn Traffic>,
        sink: Box<dyn Sink>,
    ) -> Result<Self, NicError> {
        Self::start_halves(params, bus, traffic, Some(sink))
    }

    fn start_halves(
        params: NicParams,
        bus: Arc<dyn DmaBus>,
        traffic: Box<dyn Traffic>,
        sink: Option<Box<dyn Sink>>,
    ) -> Result<Self, NicError> {
        let NicParams { queues, depth, steering, default_queue, pause, max_frame, checksums, .. } = params;
        let NicParams { hostile, tx_hostile, first_position: first, .. } = params;
        if !(1..=64).contains(&queues) {
            return Err(NicError::Queues { queues });
        }
        if !depth.is_power_of_two() || !(2..=wire::MAX_DEPTH).contains(&depth) {
            return Err(NicError::Depth { depth });
        }
        let rules = steering.iter().map(|(port, queue)| (Some(*port), *queue));
        for (port, queue) in rules.chain(default_queue.map(|queue| (None, queue))) {
            if queue >= queues {
                return Err(NicError::Steering { port, queue, queues });
            }
        }
        let control = Arc::new(Control::default());
        let slots: Vec<_> = (0..queues).map(|_| Arc::new(QueueSlot::new(depth, first))).collect();
        let tx_queues = if sink.is_some() { queues } else { 0 };
        let tx_slots: Vec<_> = (0..tx_queues).map(|_| Arc::new(QueueSlot::new(depth, first))).collect();
        let device = bus.clone().driver_side();
        let mut sender = Sender::new(bus.clone(), control.clone(), &tx_slots);
        sender.max_frame = max_frame;
        sender.hostile = tx_hostile.map(Schedule::new);
        let mut engine = Engine::new(bus, control.clone(), &slots);
        engine.steering = steering;
        engine.default_queue = default_queue;
        engine.pause = pause;
        engine.max_frame = max_frame;
        engine.checksums = checksums;
        engine.hostile = hostile.map(Schedule::new);
        // Should the second thread not start, dropping the NIC ends the first.
        let mut nic = Nic { control, slots, tx_slots, device, max_frame, engine: None, sender: None };
        let thread = std::thread::Builder::new().name("nic".into());
        nic.engine = Some(thread.spawn(move || engine.run(traffic)).map_err(NicError::Thread)?);
        if let Some(sink) = sink {
            let thread = std::thread::Builder::new().name("nic-tx".into());
            nic.sender = Some(thread.spawn(move || sender.run(sink)).map_err(NicError::Thread)?);
        }
        Ok(nic)
    }

    /// Waits until there is a completion, or the traffic has ended, or for `timeout`: the interrupt.
    pub fn wait(&self, timeout: Duration) {
        let ready = || self.has_ended() || self.has_completions() || self.has_tx_completions();
        self.control.interrupt.wait(Some(timeout), ready);
    }

    /// Whether the engine has ended: the traffic is over or has failed, or the device is gone. Stopping queues does not end it: they may be
    /// started again.
    pub fn has_ended(&self) -> bool {
        self.control.ended.load(Acquire)
    }

    /// Whether there are completions that the driver has not read.
    pub fn has_completions(&self) -> bool {
        self.slots.iter().any(|queue| queue.has_completion())
    }

    /// Whether there are completions of packets sent that the driver has not read.
    pub fn has_tx_completions(&self) -> bool {
        self.tx_slots.iter().any(|queue| queue.has_completion())
    }

    /// What a transmit queue has counted, over all of its generations: frames and bytes sent, and packets that DMA did
    /// not reach.
    pub fn tx_queue_stats(&self, queue: usize) -> Option<NicQueueStats> {
        self.tx_slots.get(queue).map(|slot| counters(slot))
    }

    /// What a queue has counted, over all of its generations.
    pub fn queue_stats(&self, queue: usize) -> Option<NicQueueStats> {
        self.slots.get(queue).map(|slot| counters(slot))
    }

    /// What the device has counted.
    pub fn stats(&self) -> NicStats {
        NicStats { unsteered: self.control.unsteered.load(Relaxed), too_long: self.control.too_long.load(Relaxed) }
    }

    /// Ends the engine, and says how it went.
    ///
    /// # Errors
    ///
    /// [`NicError::Traffic`] when the traffic failed, [`NicError::Panicked`] when the engine did. Once; then `Ok`.
    pub fn finish(&mut self) -> Result<(), NicError> {
        self.control.quit.store(true, Release);
        self.control.wake();
        let received = self.engine.take().map_or(Ok(()), ended);
        let sent = self.sender.take().map_or(Ok(()), ended);
        received.and(sent)
    }
}

/// How a thread went. A device that is dropped by its own thread, in its traffic or its sink, does not wait for itself: it has
/// been told to quit.
fn ended(thread: JoinHandle<Result<(), TrafficError>>) -> Result<(), NicError> {
    if thread.thread().id() == std::thread::current().id() {
        return Ok(());
    }
    match thread.join() {
        Ok(result) => Ok(result?),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(NicError::Panicked(text.into()))
        }
    }
}

fn counters<R>(slot: &QueueSlot<R>) -> NicQueueStats {
    NicQueueStats {
        frames: slot.frames.load(Relaxed),
        bytes: slot.bytes.load(Relaxed),
        no_buffer: slot.no_buffer.load(Relaxed),
        faults: slot.faults.load(Relaxed),
    }
}

impl Hardware for Nic {
    type Queue = NicQueue;
    /// Headers of frames that it understands are split off, and payload goes where the descriptor says, whatever that is.
    type Rx = PageOrIov;

    /// A fresh generation of queue `index`, with empty rings. While another one runs this one waits, and buffers can be
    /// posted to it; it takes over when that has stopped. One that is dropped has changed nothing. `None` when there is
    /// no such queue, or two generations live.
    fn rx_queue(&mut self, index: usize) -> Option<NicQueue> {
        NicQueue::new(self.slots.get(index)?.clone(), self.control.rx.clone(), self.device.clone())
    }

    fn is_gone(&self) -> bool {
        self.control.gone.load(Acquire)
    }

    fn capabilities(&self) -> Capabilities {
        let max_frame = u32::try_from(self.max_frame).unwrap_or(u32::MAX);
        Capabilities { queue_restart: true, header_split: true, rx_page_size: true, max_frame }
    }
}

impl TxHardware for Nic {
    type TxQueue = NicTxQueue;

    /// A fresh generation of transmit queue `index`, as [`rx_queue`](Hardware::rx_queue) gives one of a receive queue.
    fn tx_queue(&mut self, index: usize) -> Option<NicTxQueue> {
        NicTxQueue::new(self.tx_slots.get(index)?.clone(), self.control.tx.clone(), self.device.clone())
    }
}

impl fmt::Debug for Nic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nic").field("queues", &self.slots.len()).field("ended", &self.has_ended()).finish()
    }
}

impl Drop for Nic {
    fn drop(&mut self) {
        // Who wanted to know how it went has called `finish`.
        let _ = self.finish();
    }
}
