//! [`DmabufProvider`]: memory of another device.

use super::{BindingId, NoBindingId};
use crate::dma::{DeviceId, DmaDevice, DmaDirection, DmaMapping, MapError, PeerMemory};
use crate::memory::{NetIov, NetIovArea, NetIovType};
use crate::mm::PAGE_SIZE;
use crate::page_pool::{AreaError, FreeIov, MemoryProvider, PagePoolParams, PoolFlags, Refill, Refused};
use crate::sync::Lock;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// Memory of another device, shared as a dma-buf and bound to a device for receive: the device writes, nobody else here
/// does anything with it.
///
/// The memory may come in several chunks (a scatter-gather table); each becomes an area of net_iovs. Nothing here ever
/// touches a byte of it: the CPU has no mapping. Queues of the device may share a binding.
///
/// It is unbound when the last owner of this value is gone, and each pool over it is one until its last net_iov is home.
/// So dropping it while packets are out is safe: each net_iov keeps the area that it is part of, and that its mapping.
///
/// Which way data goes is part of the type. This one is for receive, and a pool that goes another way is refused; memory
/// that the device is to read is bound as another type.
///
/// ```
/// use netmem_sim::dma::{Coherent, DmaBus};
/// use netmem::page_pool::{PagePool, PagePoolParams};
/// use netmem::provider::{Chunk, DmabufProvider};
/// use netmem_sim::Memfd;
/// use netmem::NetIov;
/// use std::sync::Arc;
///
/// let device = Arc::new(Coherent::new()).driver_side();
/// let gpu = Memfd::new("gpu", 1 << 20)?;
/// let binding = DmabufProvider::bind(device.clone(), gpu, &[Chunk { offset: 0, len: 1 << 20 }], 65536)?;
/// let params = PagePoolParams { rx_page_size: 65536, ..PagePoolParams::for_device(device, 65536) };
/// let mut pool = PagePool::<NetIov>::new(params, binding.clone())?;
/// let memory = pool.alloc().expect("a megabyte is free");
/// assert_eq!((memory.size(), binding.available()), (65536, 0), "a refill takes up to 64, and there are 16");
/// assert_ne!(binding.id(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DmabufProvider {
    /// What each net_iov of the binding has, too: the provider knows them by it.
    id: Arc<BindingId>,
    device: DeviceId,
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

/// The smallest net_iov of a dma-buf: a page.
const MIN_NIOV: usize = PAGE_SIZE;
/// The largest: 2 MiB.
const MAX_NIOV: usize = 2 << 20;

/// Why a dma-buf could not be bound.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// EINVAL: net_iovs of a size that no queue takes.
    #[error("net_iovs of {size} bytes are not possible: use a power of two from {MIN_NIOV} to {MAX_NIOV}")]
    NiovSize {
        /// What was asked for.
        size: usize,
    },
    /// ENOMEM or EBUSY: the binding got no number.
    #[error(transparent)]
    Id(#[from] NoBindingId),
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
    /// Binds `chunks` of `memory` to `device`, in net_iovs of `niov_size` bytes: a power of two from 4 KiB to 2 MiB.
    ///
    /// The offsets that user space sees are those of the chunks. Each chunk must start, for the device, and end at a
    /// multiple of `niov_size`.
    ///
    /// # Errors
    ///
    /// [`BindError`], with the chunk; what was mapped is unmapped again.
    ///
    /// # Panics
    ///
    /// Or rather aborts, when there is no memory for the value itself, some hundred bytes: no stable `Arc` can fail. All
    /// else is told as an error.
    #[doc(alias = "net_devmem_bind_dmabuf")]
    pub fn bind(
        device: Arc<dyn DmaDevice>,
        memory: Arc<dyn PeerMemory>,
        chunks: &[Chunk],
        niov_size: usize,
    ) -> Result<Arc<Self>, BindError> {
        let id = Arc::new(BindingId::new()?);
        let mut free = carve(&device, &memory, chunks, niov_size, DmaDirection::FromDevice, &id)?;
        // The lowest offset is handed out first.
        free.reverse();
        Ok(Arc::new(DmabufProvider {
            id,
            device: device.id(),
            niov_size: niov_size as u32,
            total: free.len(),
            free: Lock::new(free),
        }))
    }

    /// The number by which user space names the binding: not 0, and no other binding's while this or a net_iov of it
    /// lives.
    #[doc(alias = "dmabuf_id")]
    pub fn id(&self) -> u32 {
        self.id.get()
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

/// Maps chunks of a memory for one direction, and cuts them into net_iovs.
pub(super) fn carve(
    device: &Arc<dyn DmaDevice>,
    memory: &Arc<dyn PeerMemory>,
    chunks: &[Chunk],
    niov_size: usize,
    direction: DmaDirection,
    id: &Arc<BindingId>,
) -> Result<Vec<FreeIov>, BindError> {
    if !niov_size.is_power_of_two() || !(MIN_NIOV..=MAX_NIOV).contains(&niov_size) {
        return Err(BindError::NiovSize { size: niov_size });
    }
    let mut free = Vec::new();
    for (chunk, &Chunk { offset, len }) in chunks.iter().enumerate() {
        let shares = |other: &Chunk| {
            offset < other.offset.saturating_add(other.len) && other.offset < offset.saturating_add(len)
        };
        if let Some(other) = chunks[..chunk].iter().position(shares) {
            return Err(BindError::Overlap { chunk, other });
        }
        let mapping = DmaMapping::with_direction(device.clone(), memory.clone(), offset, len, direction)
            .map_err(|source| BindError::Map { chunk, source })?;
        let niovs = NetIovArea::carve_bound(mapping, niov_size, NetIovType::DmaBuf, offset, id.clone())
            .map_err(|source| BindError::Area { chunk, source })?;
        free.try_reserve(niovs.len())
            .map_err(|_| BindError::Area { chunk, source: AreaError::NoMemory { niovs: niovs.len() } })?;
        free.extend(niovs);
    }
    if free.is_empty() {
        return Err(BindError::Empty);
    }
    Ok(free)
}

impl MemoryProvider for DmabufProvider {
    type Kind = NetIov;

    fn init(&self, params: &PagePoolParams) -> Result<u32, Refused> {
        if !params.flags.contains(PoolFlags::DMA_MAP | PoolFlags::DMA_SYNC_DEV) {
            return Err(Refused::NeedsDma);
        }
        if params.direction != DmaDirection::FromDevice {
            return Err(Refused::Direction { direction: params.direction });
        }
        check_size(params, self.niov_size)?;
        match &params.device {
            Some(device) if device.id() == self.device => Ok(self.niov_size),
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
        // Anybody can call this. A net_iov of another binding is dropped, outside the lock: a pool over this one would
        // give it to a queue, and user space would be told of memory that it is not.
        let mut iov = Some(iov).filter(|iov| iov.is_of(&self.id));
        self.free.with(|free| {
            // There is room for all of them, and no more come back than were taken out.
            if free.len() < self.total {
                free.extend(iov.take());
            }
        });
        drop(iov);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DmabufProvider { id, niov_size, total, .. } = self;
        write!(f, "dma-buf binding {id}, {} of {total} net_iovs of {niov_size} bytes free", self.available())
    }

    /// Never: the CPU does not look, and the exporter sees to its memory.
    fn wants_sync(&self) -> bool {
        false
    }
}

/// Refuses a pool that asks for net_iovs of another size, by `rx_page_size` or by its order. A pool of order 0 without a
/// wish takes what there is.
pub(super) fn check_size(params: &PagePoolParams, has: u32) -> Result<(), Refused> {
    let by_order = u32::try_from((PAGE_SIZE as u64) << params.order.min(31)).unwrap_or(u32::MAX);
    let asked = match (params.rx_page_size, params.order) {
        (0, 0) => has,
        (0, _) => by_order,
        (size, 0) => size,
        // The pool has refused two that differ; who asks without a pool gets the one that does not fit.
        (size, _) => {
            if size == has {
                by_order
            } else {
                size
            }
        }
    };
    if asked == has { Ok(()) } else { Err(Refused::BufferSize { asked, has }) }
}

impl fmt::Debug for DmabufProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmabufProvider")
            .field("id", &self.id.get())
            .field("niov_size", &self.niov_size)
            .field("total", &self.total)
            .field("available", &self.available())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dma::PeerError;
    use crate::dma::plain::Plain;

    struct Vram;
    impl PeerMemory for Vram {
        fn len(&self) -> usize {
            4096
        }
        fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), PeerError> {
            Err(PeerError { offset, len: bytes.len() })
        }
    }

    const WHOLE: [Chunk; 1] = [Chunk { offset: 0, len: 4096 }];

    fn device() -> Arc<dyn DmaDevice> {
        Arc::new(Plain::new())
    }

    /// A number that comes round while a net_iov of the first binding lives, which [`BindingId`] does not let happen.
    #[test]
    fn a_binding_does_not_know_its_memory_by_the_number() {
        let (device, id) = (device(), Arc::new(BindingId::new().unwrap()));
        let carve =
            |id| carve(&device, &(Arc::new(Vram) as Arc<_>), &WHOLE, 4096, DmaDirection::FromDevice, id).unwrap();
        let mut old = carve(&id);
        let twin = Arc::new(id.twin());
        let free = Lock::new(carve(&twin));
        let binding = DmabufProvider { id: twin, device: device.id(), niov_size: 4096, total: 1, free };
        assert_eq!(binding.id(), id.get());
        let own = binding.free.with(Vec::pop).unwrap();
        binding.release(old.pop().unwrap());
        assert_eq!(binding.available(), 0, "memory of the first binding is not taken for that of the second");
        binding.release(own);
        assert_eq!(binding.available(), 1);
    }

    #[test]
    fn the_number_of_a_binding_is_in_use_until_its_last_net_iov_is_gone() {
        let binding = DmabufProvider::bind(device(), Arc::new(Vram), &WHOLE, 4096).unwrap();
        let id = binding.id();
        let iov = binding.free.with(Vec::pop).unwrap();
        drop(binding);
        assert_ne!(BindingId::next_from(id), id, "a net_iov of that binding is still there");
        drop(iov);
        assert_eq!(BindingId::next_from(id), id);
    }
}
