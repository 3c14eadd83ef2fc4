//! A NIC model: rings, completions, header split, flow steering, a DMA engine on a thread of its own, and traffic.
//!
//! [`Nic`] implements [`Hardware`]. The device reaches memory only through a
//! [`DmaBus`], by the addresses that descriptors carry; it has no handle on anything. Frames come
//! from a [`Traffic`]: a generator, a capture file, or the kernel's own stack through a TAP device.

mod engine;
mod event;
pub mod frame;
mod hostile;
mod queue;
pub mod traffic;
mod wire;

pub use hostile::{Hostile, Trick};
pub use queue::NicQueue;

use crate::dma::{DmaBus, DmaDevice};
use crate::driver::Hardware;
use crate::netdev::{Capabilities, UnreadableRx};
use engine::{Control, Engine};
use hostile::Schedule;
use queue::QueueSlot;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::thread::JoinHandle;
use std::time::Duration;
use traffic::{Traffic, TrafficError};

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
    /// The longest frame taken, in bytes.
    pub max_frame: usize,
    /// Whether the device checks what it receives: the checksum of UDP and TCP.
    pub checksums: bool,
    /// What goes wrong, and when: a hostile device, or one that breaks.
    pub hostile: Option<Hostile>,
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

/// A network interface that receives. Dropping it stops its engine.
pub struct Nic {
    control: Arc<Control>,
    slots: Vec<Arc<QueueSlot>>,
    device: Arc<dyn DmaDevice>,
    engine: Option<JoinHandle<Result<(), TrafficError>>>,
}

impl Nic {
    /// Starts a NIC that receives `traffic` and reaches memory through `bus`. It waits for descriptors.
    ///
    /// # Errors
    ///
    /// [`NicError`]: the parameters are not possible, or there is no thread.
    pub fn start(params: NicParams, bus: Arc<dyn DmaBus>, traffic: Box<dyn Traffic>) -> Result<Self, NicError> {
        let NicParams { queues, depth, steering, default_queue, pause, max_frame, checksums, hostile } = params;
        if !(1..=64).contains(&queues) {
            return Err(NicError::Queues { queues });
        }
        if !depth.is_power_of_two() || !(2..=32768).contains(&depth) {
            return Err(NicError::Depth { depth });
        }
        let rules = steering.iter().map(|(port, queue)| (Some(*port), *queue));
        for (port, queue) in rules.chain(default_queue.map(|queue| (None, queue))) {
            if queue >= queues {
                return Err(NicError::Steering { port, queue, queues });
            }
        }
        let control = Arc::new(Control::default());
        let slots: Vec<_> = (0..queues).map(|_| Arc::new(QueueSlot::new(depth))).collect();
        let device = bus.clone().driver_side();
        let mut engine = Engine::new(bus, control.clone(), &slots);
        engine.steering = steering;
        engine.default_queue = default_queue;
        engine.pause = pause;
        engine.max_frame = max_frame;
        engine.checksums = checksums;
        engine.hostile = hostile.map(Schedule::new);
        let thread = std::thread::Builder::new().name("nic".into());
        let engine = thread.spawn(move || engine.run(traffic)).map_err(NicError::Thread)?;
        Ok(Nic { control, slots, device, engine: Some(engine) })
    }

    /// Waits until there is a completion, or the traffic has ended, or for `timeout`: the interrupt.
    pub fn wait(&self, timeout: Duration) {
        self.control.interrupt.wait(Some(timeout), || self.has_ended() || self.has_completions());
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

    /// What a queue has counted, over all of its generations.
    pub fn queue_stats(&self, queue: usize) -> Option<NicQueueStats> {
        let slot = self.slots.get(queue)?;
        Some(NicQueueStats {
            frames: slot.frames.load(Relaxed),
            bytes: slot.bytes.load(Relaxed),
            no_buffer: slot.no_buffer.load(Relaxed),
            faults: slot.faults.load(Relaxed),
        })
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
        self.control.doorbell.raise();
        match self.engine.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(error.into()),
            Some(Err(panic)) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
                Err(NicError::Panicked(text.into()))
            }
        }
    }
}

impl Hardware for Nic {
    type Queue = NicQueue;

    /// A fresh generation of queue `index`, with empty rings. While another one runs this one waits, and buffers can be
    /// posted to it; it takes over when that has stopped. One that is dropped has changed nothing. `None` when there is
    /// no such queue, or two generations live.
    fn rx_queue(&mut self, index: usize) -> Option<NicQueue> {
        NicQueue::new(self.slots.get(index)?.clone(), self.control.clone(), self.device.clone())
    }

    fn is_gone(&self) -> bool {
        self.control.gone.load(Acquire)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { queue_restart: true, header_split: true, rx_page_size: true }
    }
}

/// Headers of frames that it understands are split off, and payload goes where the descriptor says, whatever that is.
impl UnreadableRx for Nic {}

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
