//! Why something could not be registered, posted or copied.

use super::uapi::MAX_AREAS;
use super::{MAX_CQ_ENTRIES, MAX_RQ_ENTRIES};
use crate::dma::{MapError, PeerError};
use crate::memory::NetIov;
use crate::mm::PAGE_SIZE;
use crate::page_pool::{AreaError, Frag};

/// Why a program's memory was not registered. Nothing stays mapped.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// EINVAL: a ring of no entries, or of too many.
    #[error("a refill ring of {entries} entries is not possible: ask for 1 to {MAX_RQ_ENTRIES}")]
    Entries {
        /// What was asked for.
        entries: u32,
    },
    /// EINVAL: a completion ring of no entries, or of too many.
    #[error("a completion ring of {entries} entries is not possible: ask for 1 to {MAX_CQ_ENTRIES}")]
    CqEntries {
        /// What was asked for.
        entries: u32,
    },
    /// EINVAL: buffers of a size that there is not.
    #[error(
        "buffers of {len} bytes are not possible: use a power of two from {PAGE_SIZE} to 2 GiB, or 0 for {PAGE_SIZE}"
    )]
    BufLen {
        /// What was asked for.
        len: u32,
    },
    /// EINVAL: events nobody knows.
    #[error("events {bits:#x} are unknown: use those of ZcrxEvents")]
    UnknownEvents {
        /// The bits that have no name.
        bits: u32,
    },
    /// EINVAL: not whole pages.
    #[error("an area of {len} bytes at offset {offset} is not made of whole pages: align both to {PAGE_SIZE}")]
    NotPages {
        /// First byte of the area.
        offset: usize,
        /// How many bytes.
        len: usize,
    },
    /// More than an offset can name.
    #[error("an area of {len} bytes is too large: an offset names at most 2^48, and an area at most 2^32 buffers")]
    TooLarge {
        /// How many bytes.
        len: usize,
    },
    /// EINVAL: more areas than an instance has.
    #[error("{MAX_AREAS} areas are registered: no more are possible")]
    TooManyAreas,
    /// EINVAL: memory that the CPU reaches and memory that it does not.
    #[error("the areas of one instance are all readable or all not: register another instance for the other sort")]
    Mixed,
    /// Bytes that are part of an area already.
    #[error("{len} bytes at offset {offset} share some with area {area}: register each byte once")]
    Overlap {
        /// First byte of the new area.
        offset: usize,
        /// How many bytes.
        len: usize,
        /// The area that has some of them.
        area: usize,
    },
    /// EFAULT: the instance is closed, or was taken off its queue.
    #[error("the instance is closed: register another one")]
    Closed,
    /// The memory could not be mapped for the device.
    #[error(transparent)]
    Map(#[from] MapError),
    /// ERANGE: it could not be cut into buffers.
    #[error(transparent)]
    Area(#[from] AreaError),
    /// ENOMEM.
    #[error("no memory to note what was registered: register less")]
    NoMemory,
}

/// Why a piece was not handed to the program. It comes back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// EFAULT: it is in no area of this instance.
    #[error("{0:?} is in no area of this instance: the program cannot see it")]
    NotOurs(
        /// The piece.
        Frag<NetIov>,
    ),
    /// The program has 2^32 - 1 pieces of that net_iov.
    #[error("{0:?} cannot be handed out: the program has 2^32 - 1 references to that net_iov")]
    TooMany(
        /// The piece.
        Frag<NetIov>,
    ),
    /// ENOSPC: there is no room to tell the program.
    #[error("{0:?} cannot be handed out: the completion ring is full, so the program must take some entries out")]
    QueueFull(
        /// The piece.
        Frag<NetIov>,
    ),
}

impl PostError {
    /// The piece.
    pub fn into_frag(self) -> Frag<NetIov> {
        match self {
            PostError::NotOurs(frag) | PostError::TooMany(frag) | PostError::QueueFull(frag) => frag,
        }
    }
}

/// Why nothing was copied for the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// ENOMEM: no buffer is free. The program has them all, or the pools do.
    #[error("no buffer of the program's is free: give some back through the refill ring")]
    NoBuffer,
    /// ENOMEM in Linux, too: the program's memory is a device's.
    #[error("the areas are device memory, which the CPU cannot write: the data must arrive there by DMA")]
    Unreadable,
    /// ENOSPC: there is no room to tell the program.
    #[error("the completion ring is full: the program must take some entries out")]
    QueueFull,
    /// EFAULT: the program's memory did not take it.
    #[error(transparent)]
    Memory(#[from] PeerError),
}
