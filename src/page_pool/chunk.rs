//! [`Chunk`]: the pieces that a dma-buf comes in, and how they become net_iovs.

use super::{AreaError, BindingId, FreeIov};
use crate::alloc::Arc;
use crate::alloc::Vec;
use crate::dma::{DmaDevice, DmaDirection, DmaMapping, MapError, PeerMemory};
use crate::error::errno::{EBUSY, EINVAL, ENOMEM};
use crate::memory::{NetIovArea, NetIovType};
use crate::mm::PAGE_SIZE;

/// One piece of a dma-buf that is contiguous for the device: an entry of its scatter-gather table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// First byte, within the memory.
    pub offset: usize,
    /// Length in bytes.
    pub len: usize,
}

/// The smallest net_iov of a dma-buf: a page.
const MIN_NIOV: usize = PAGE_SIZE;
/// The largest: 2 MiB.
const MAX_NIOV: usize = 2 << 20;

/// Why a dma-buf could not be bound.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DmabufError {
    /// Net_iovs of a size that no queue takes.
    #[error("net_iovs of {size} bytes are not possible: use a power of two from {MIN_NIOV} to {MAX_NIOV}")]
    NiovSize {
        /// The size that was asked for, in bytes.
        size: usize,
    },
    /// There is no memory to note the binding or its number.
    #[error("no memory to note a binding: free some, and bind again")]
    NoMemory,
    /// Every number of a binding is in use.
    #[error("all {count} numbers of bindings are in use: unbind memory, and return what is left of it")]
    AllInUse {
        /// How many numbers there are.
        count: u32,
    },
    /// There is nothing to bind.
    #[error("the dma-buf has no chunks: give at least one range of its memory")]
    Empty,
    /// Two chunks share bytes: two packets would.
    #[error("chunk {chunk} shares bytes with chunk {other}: give each byte once")]
    Overlap {
        /// The chunk, from 0.
        chunk: usize,
        /// The one before it.
        other: usize,
    },
    /// A chunk could not be mapped.
    #[error("chunk {chunk}: {source}")]
    Map {
        /// The chunk, from 0.
        chunk: usize,
        /// Why it was not mapped.
        source: MapError,
    },
    /// A chunk could not be cut into net_iovs.
    #[error("chunk {chunk}: {source}")]
    Area {
        /// The chunk, from 0.
        chunk: usize,
        /// Why it was not cut.
        source: AreaError,
    },
}

impl DmabufError {
    /// Returns what `net_devmem_bind_dmabuf` returns, and EINVAL, as `netdev_nl_bind_rx_doit` does, for a size that is
    /// no power of two. Each driver of Linux chooses its range of sizes, and its number for a size outside. Linux has
    /// no refusal for no chunks, or for chunks that share bytes, because an exporter makes none; EINVAL is the nearest.
    pub fn errno(&self) -> i32 {
        match self {
            DmabufError::NiovSize { .. } | DmabufError::Empty | DmabufError::Overlap { .. } => EINVAL,
            DmabufError::NoMemory => ENOMEM,
            DmabufError::AllInUse { .. } => EBUSY,
            DmabufError::Map { source, .. } => source.errno(),
            DmabufError::Area { source, .. } => source.errno(),
        }
    }
}

/// Maps chunks of a memory for one direction, and cuts them into net_iovs.
pub(crate) fn carve(
    device: &Arc<dyn DmaDevice>,
    memory: &Arc<dyn PeerMemory>,
    chunks: &[Chunk],
    niov_size: usize,
    direction: DmaDirection,
    id: &Arc<BindingId>,
) -> Result<Vec<FreeIov>, DmabufError> {
    if !niov_size.is_power_of_two() || !(MIN_NIOV..=MAX_NIOV).contains(&niov_size) {
        return Err(DmabufError::NiovSize { size: niov_size });
    }
    let mut free = Vec::new();
    for (chunk, &Chunk { offset, len }) in chunks.iter().enumerate() {
        let shares = |other: &Chunk| {
            offset < other.offset.saturating_add(other.len) && other.offset < offset.saturating_add(len)
        };
        if let Some(other) = chunks[..chunk].iter().position(shares) {
            return Err(DmabufError::Overlap { chunk, other });
        }
        let mapping = DmaMapping::with_direction(device.clone(), memory.clone(), offset, len, direction)
            .map_err(|source| DmabufError::Map { chunk, source })?;
        let niovs = NetIovArea::carve_bound(mapping, niov_size, NetIovType::DmaBuf, offset, id.clone())
            .map_err(|source| DmabufError::Area { chunk, source })?;
        free.try_reserve(niovs.len())
            .map_err(|_| DmabufError::Area { chunk, source: AreaError::NoMemory { niovs: niovs.len() } })?;
        free.extend(niovs);
    }
    if free.is_empty() {
        return Err(DmabufError::Empty);
    }
    Ok(free)
}
