//! [`DmabufProvider`]: memory of another device.

use crate::dma::{DmaDevice, DmaMapping, MapError, PeerMemory, same_device};
use crate::memory::{NetIov, NetIovArea, NetIovType};
use crate::page_pool::{AreaError, FreeIov, MemoryProvider, PagePoolParams, PoolFlags, Refill, Refused};
use crate::sync::Lock;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Memory of another device, shared as a dma-buf and bound to a queue's device.
///
/// The memory may come in several chunks (a scatter-gather table); each becomes an area of net_iovs. Nothing here ever
/// touches a byte of it: the CPU has no mapping. Dropping the provider while packets are out is safe, as each net_iov
/// keeps the area that it is part of, and that its mapping.
pub struct DmabufProvider {
    device: Arc<dyn DmaDevice>,
    id: u32,
    niov_size: u32,
    total: usize,
    free: Lock<Vec<FreeIov>>,
}

/// One piece of a dma-buf that is contiguous for the device: an entry of its scatter-gather table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// First byte, within the memory.
    pub offset: usize,
    /// How many bytes.
    pub len: usize,
}

/// Why a dma-buf could not be bound.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// There is nothing to bind.
    #[error("the dma-buf has no chunks: give at least one range of its memory")]
    Empty,
    /// Two chunks share bytes: two packets would.
    #[error("chunk {chunk} shares bytes with chunk {other}: give each byte once")]
    Overlap {
        /// Which chunk, from 0.
        chunk: usize,
        /// The one before it.
        other: usize,
    },
    /// A chunk could not be mapped.
    #[error("chunk {chunk}: {source}")]
    Map {
        /// Which chunk, from 0.
        chunk: usize,
        /// Why.
        source: MapError,
    },
    /// A chunk could not be cut into net_iovs.
    #[error("chunk {chunk}: {source}")]
    Area {
        /// Which chunk, from 0.
        chunk: usize,
        /// Why.
        source: AreaError,
    },
}

impl DmabufProvider {
    /// Binds `chunks` of `memory` to `device`, in net_iovs of `niov_size` bytes: 4096 or a larger power of two.
    ///
    /// The offsets that user space sees are those of the chunks.
    ///
    /// # Errors
    ///
    /// [`BindError`], with the chunk; what was mapped is unmapped again.
    #[doc(alias = "net_devmem_bind_dmabuf")]
    pub fn bind(
        device: Arc<dyn DmaDevice>,
        memory: Arc<dyn PeerMemory>,
        chunks: &[Chunk],
        niov_size: usize,
    ) -> Result<Arc<Self>, BindError> {
        let id = next_id();
        let mut free = Vec::new();
        for (chunk, &Chunk { offset, len }) in chunks.iter().enumerate() {
            let shares = |other: &Chunk| {
                offset < other.offset.saturating_add(other.len) && other.offset < offset.saturating_add(len)
            };
            if let Some(other) = chunks[..chunk].iter().position(shares) {
                return Err(BindError::Overlap { chunk, other });
            }
            let mapping = DmaMapping::new(device.clone(), memory.clone(), offset, len)
                .map_err(|source| BindError::Map { chunk, source })?;
            let niovs = NetIovArea::carve_bound(mapping, niov_size, NetIovType::DmaBuf, offset, id)
                .map_err(|source| BindError::Area { chunk, source })?;
            free.try_reserve(niovs.len())
                .map_err(|_| BindError::Area { chunk, source: AreaError::NoMemory { niovs: niovs.len() } })?;
            free.extend(niovs);
        }
        if free.is_empty() {
            return Err(BindError::Empty);
        }
        // The lowest offset is handed out first.
        free.reverse();
        Ok(Arc::new(DmabufProvider {
            device,
            id,
            // `carve_bound` allows at most 2 GiB.
            niov_size: niov_size as u32,
            total: free.len(),
            free: Lock::new(free),
        }))
    }

    /// The dma-buf id: which binding this is, to user space. Never 0; given again after 2^32 bindings.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// How many bytes a net_iov has.
    pub fn niov_size(&self) -> u32 {
        self.niov_size
    }

    /// How many net_iovs there are.
    pub fn total(&self) -> usize {
        self.total
    }

    /// How many of them are free.
    pub fn available(&self) -> usize {
        self.free.with(|free| free.len())
    }
}

/// The id after the last one.
fn next_id() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    loop {
        let id = LAST.fetch_add(1, Relaxed).wrapping_add(1);
        if id != 0 {
            return id;
        }
    }
}

impl MemoryProvider for DmabufProvider {
    type Kind = NetIov;

    fn init(&self, params: &PagePoolParams) -> Result<u32, Refused> {
        if !params.flags.contains(PoolFlags::DMA_MAP | PoolFlags::DMA_SYNC_DEV) {
            return Err(Refused::NeedsDma);
        }
        if params.order != 0 {
            return Err(Refused::Order { order: params.order, max: 0 });
        }
        match &params.device {
            Some(device) if same_device(device, &self.device) => Ok(self.niov_size),
            _ => Err(Refused::OtherDevice),
        }
    }

    #[doc(alias = "mp_dmabuf_devmem_alloc_netmems")]
    fn alloc(&self, out: &mut Refill<'_, NetIov>) {
        while out.wanted() != 0 {
            let Some(iov) = self.free.with(Vec::pop) else { return };
            if let Err(iov) = out.push(iov) {
                return self.release(iov);
            }
        }
    }

    #[doc(alias = "mp_dmabuf_devmem_release_page")]
    fn release(&self, iov: FreeIov) {
        // There is room: no more come back than were taken out.
        self.free.with(|free| free.push(iov));
    }

    fn wants_sync(&self) -> bool {
        false
    }
}

impl fmt::Debug for DmabufProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmabufProvider")
            .field("id", &self.id)
            .field("niov_size", &self.niov_size)
            .field("total", &self.total)
            .field("available", &self.available())
            .finish()
    }
}
