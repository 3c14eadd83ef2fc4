//! Why something could not be registered, posted or copied.

use super::uapi::MAX_AREAS;
use super::{MAX_CQ_ENTRIES, MAX_RQ_ENTRIES};
use crate::errno::{EBUSY, EFAULT, EINVAL, ENOMEM, ENOSPC, ERANGE};
use netmem::dma::{MapError, PeerError};
use netmem::mm::PAGE_SIZE;
use netmem::page_pool::AreaError;

/// Why a program's memory was not registered. Nothing stays mapped.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// A ring of no entries, or of too many.
    #[error("a refill ring of {entries} entries is not possible: ask for 1 to {MAX_RQ_ENTRIES}")]
    Entries {
        /// The number of entries that was asked for.
        entries: u32,
    },
    /// A completion ring of no entries, or of too many.
    #[error("a completion ring of {entries} entries is not possible: ask for 1 to {MAX_CQ_ENTRIES}")]
    CqEntries {
        /// The number of entries that was asked for.
        entries: u32,
    },
    /// Buffers of a size that there is not.
    #[error(
        "buffers of {len} bytes are not possible: use a power of two from {PAGE_SIZE} to 2 GiB, or 0 for {PAGE_SIZE}"
    )]
    BufLen {
        /// The length that was asked for, in bytes.
        len: u32,
    },
    /// Events nobody knows.
    #[error("events {bits:#x} are unknown: use those of ZcrxEvents")]
    UnknownEvents {
        /// The bits that have no name.
        bits: u32,
    },
    /// Not whole pages.
    #[error("an area of {len} bytes at offset {offset} is not made of whole pages: align both to {PAGE_SIZE}")]
    NotPages {
        /// First byte of the area.
        offset: usize,
        /// Length in bytes.
        len: usize,
    },
    /// More than an offset can name.
    #[error("an area of {len} bytes is too large: an offset names at most 2^48, and an area at most 2^32 buffers")]
    TooLarge {
        /// Length in bytes.
        len: usize,
    },
    /// More areas than an instance has.
    #[error("{MAX_AREAS} areas are registered: no more are possible")]
    TooManyAreas,
    /// Memory that the CPU reaches and memory that it does not.
    #[error("the areas of one instance are all readable or all not: register another instance for the other sort")]
    Mixed,
    /// Bytes that are part of an area already.
    #[error("{len} bytes at offset {offset} share some with area {area}: register each byte once")]
    Overlap {
        /// First byte of the new area.
        offset: usize,
        /// Length in bytes.
        len: usize,
        /// The area that has some of them.
        area: usize,
    },
    /// The instance is closed, or was taken off its queue.
    #[error("the instance is closed: register another one")]
    Closed,
    /// The memory could not be mapped for the device.
    #[error(transparent)]
    Map(#[from] MapError),
    /// It could not be cut into buffers.
    #[error(transparent)]
    Area(#[from] AreaError),
    /// There is no memory to note what was registered.
    #[error("no memory to note what was registered: register less")]
    NoMemory,
}

impl RegisterError {
    /// Returns what `io_register_zcrx` returns, and `zcrx_ctrl_add_area` for one more area. The number of completions
    /// is refused by `io_uring_fill_params`, and the size of buffers by `__zcrx_create_area`, both with EINVAL. EINVAL
    /// for an area that is too large is that of `io_validate_user_buf_range`, where the limit is 1 TiB. EFAULT is that
    /// of the same function for an area of no bytes, and of `io_pin_pages` for one that leaves the program's memory.
    /// Linux takes areas that share bytes; EINVAL is the nearest.
    pub fn errno(&self) -> i32 {
        match self {
            RegisterError::Entries { .. }
            | RegisterError::CqEntries { .. }
            | RegisterError::BufLen { .. }
            | RegisterError::UnknownEvents { .. }
            | RegisterError::NotPages { .. }
            | RegisterError::TooLarge { .. }
            | RegisterError::TooManyAreas
            | RegisterError::Mixed
            | RegisterError::Overlap { .. } => EINVAL,
            RegisterError::Closed | RegisterError::Map(MapError::Range { .. }) => EFAULT,
            RegisterError::Map(reason) => reason.errno(),
            RegisterError::NoMemory | RegisterError::Area(AreaError::NoMemory { .. }) => ENOMEM,
            RegisterError::Area(_) => ERANGE,
        }
    }
}

/// Why a piece was not handed to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandOutError {
    /// The piece is in no area of this instance.
    #[error("the piece is in no area of this instance: the program cannot see it")]
    NotOurs,
    /// The program has 2^32 - 1 references to that net_iov.
    #[error("the piece cannot be handed out: the program has 2^32 - 1 references to that net_iov")]
    TooMany,
    /// There is no room to tell the program.
    #[error("the piece cannot be handed out: the completion ring is full, so the program must take some entries out")]
    QueueFull,
}

impl HandOutError {
    /// Returns what `io_zcrx_recv_frag` returns. It has no refusal for too many references, because its counter comes round;
    /// EBUSY is the nearest.
    pub fn errno(&self) -> i32 {
        match self {
            HandOutError::NotOurs => EFAULT,
            HandOutError::TooMany => EBUSY,
            HandOutError::QueueFull => ENOSPC,
        }
    }
}

/// Why nothing was copied for the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// No buffer is free. The program has them all, or the pools do.
    #[error("no buffer of the program's is free: give some back through the refill ring")]
    NoBuffer,
    /// The program's memory is a device's.
    #[error("the areas are device memory, which the CPU cannot write: the data must arrive there by DMA")]
    Unreadable,
    /// There is no room to tell the program.
    #[error("the completion ring is full: the program must take some entries out")]
    QueueFull,
    /// The program's memory did not take it.
    #[error(transparent)]
    Memory(#[from] PeerError),
}

impl CopyError {
    /// Returns what `io_zcrx_copy_chunk` returns. Memory that the CPU cannot write has no buffer for a copy, so it is
    /// ENOMEM as well. Linux writes to the program's pages itself, so memory refuses nothing; EFAULT is the nearest.
    pub fn errno(&self) -> i32 {
        match self {
            CopyError::NoBuffer | CopyError::Unreadable => ENOMEM,
            CopyError::QueueFull => ENOSPC,
            CopyError::Memory(reason) => reason.errno(),
        }
    }
}
