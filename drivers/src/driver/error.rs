//! Why a driver does not start, or does not take an XDP program.

use netmem::netdev::RingError;
use netmem::netdev::{ConfigError, PostError, RestartError};

/// Why the driver did not start.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The device has no such queue.
    #[error("the device has no receive queue {queue}: configure as many as it has")]
    NoQueue {
        /// The queue, from 0.
        queue: usize,
    },
    /// A buffer would be too small or larger than the memory it comes from.
    #[error("queue {queue}: {what} buffers of {size} bytes are not possible: use 64 to {max}")]
    BufferSize {
        /// The queue, from 0.
        queue: usize,
        /// "payload" or "header".
        what: &'static str,
        /// The size that was asked for, in bytes.
        size: u32,
        /// What the pool's memory allows.
        max: u32,
    },
    /// A pool's memory is not mapped for the device.
    #[error("queue {queue}: a pool is not mapped for this device: make it with PagePoolParams::for_device of this one")]
    OtherDevice {
        /// The queue, from 0.
        queue: usize,
    },
    /// The memory cannot be read, and the driver does not declare that this is fine (rule P3).
    #[error("queue {queue}: its memory cannot be read by the CPU: use a device that declares it, with Driver::new")]
    Unreadable {
        /// The queue, from 0.
        queue: usize,
    },
    /// Headers are to be split off, and the device cannot.
    #[error("queue {queue}: the device cannot split headers off: configure no pool for headers")]
    NoHeaderSplit {
        /// The queue, from 0.
        queue: usize,
    },
    /// The ring refuses buffers of a pool.
    #[error("queue {queue}: {reason}")]
    Post {
        /// The queue, from 0.
        queue: usize,
        /// Why the ring refuses them.
        reason: PostError,
    },
    /// No memory for the driver itself.
    #[error("no memory to note {queues} queues")]
    NoMemory {
        /// How many queues it was to have.
        queues: usize,
    },
    /// There is no ring over the queue of the hardware.
    #[error("queue {queue}: {reason}")]
    NoRing {
        /// The queue, from 0.
        queue: usize,
        /// Why there is no ring.
        reason: RingError,
    },
}

/// Why an XDP program was not attached or detached.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XdpError {
    /// Memory of a provider is bound to a queue, or the device is going away.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A program sees a packet in one piece.
    #[error(
        "queue {queue} splits headers off, and a program sees packets in one piece: use queues without header split"
    )]
    HeaderSplit {
        /// The queue, from 0.
        queue: usize,
    },
    /// A program sees a frame in one piece, and the longest does not fit a buffer: it would vanish.
    #[error(
        "queue {queue}: frames of up to {max_frame} bytes do not fit its buffers of {buffer}, and a program sees a frame in \
         one piece: lower the longest frame of the device (its MTU), or use larger buffers"
    )]
    FrameSize {
        /// The queue, from 0.
        queue: usize,
        /// Bytes of the longest frame.
        max_frame: u32,
        /// Bytes of a buffer, without headroom.
        buffer: u32,
    },
    /// A queue could not be restarted with headroom, or without. The others are as before.
    #[error("queue {queue}: {reason}")]
    Restart {
        /// The queue, from 0.
        queue: usize,
        /// Why it was not restarted.
        reason: RestartError,
    },
}
