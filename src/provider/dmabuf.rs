//! [`DmabufProvider`]: memory of another device.

use crate::alloc::Vec;
use crate::alloc::{Arc, NoMemory, try_arc};
use crate::assert::assert_not_impl_any;
use crate::dma::{DeviceId, DmaDevice, DmaDirection, PeerMemory};
use crate::memory::NetIov;
use crate::page_pool::{
    BindingId, Chunk, DmabufError, DmabufTxBinding, FreeIov, MemoryProvider, PagePoolParams, PoolFlags, ProviderError,
    Refill, carve,
};
use crate::sync::Lock;
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
/// use netmem::page_pool::Chunk;
/// use netmem::provider::DmabufProvider;
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

assert_not_impl_any!(DmabufProvider: Clone, Default, Into<DmabufTxBinding>);

impl DmabufProvider {
    /// Binds `chunks` of `memory` to `device`, in net_iovs of `niov_size` bytes: a power of two from 4 KiB to 2 MiB.
    ///
    /// The offsets that user space sees are those of the chunks. Each chunk must start, for the device, and end at a
    /// multiple of `niov_size`.
    ///
    /// # Errors
    ///
    /// [`DmabufError`], with the chunk; what was mapped is unmapped again.
    #[doc(alias = "net_devmem_bind_dmabuf")]
    pub fn bind(
        device: Arc<dyn DmaDevice>,
        memory: Arc<dyn PeerMemory>,
        chunks: &[Chunk],
        niov_size: usize,
    ) -> Result<Arc<Self>, DmabufError> {
        let id = try_arc(BindingId::new()?).map_err(|NoMemory| DmabufError::NoMemory)?;
        let mut free = carve(&device, &memory, chunks, niov_size, DmaDirection::FromDevice, &id)?;
        // The lowest offset is handed out first.
        free.reverse();
        let provider = DmabufProvider {
            id,
            device: device.id(),
            niov_size: niov_size as u32,
            total: free.len(),
            free: Lock::new(free),
        };
        try_arc(provider).map_err(|NoMemory| DmabufError::NoMemory)
    }

    /// The number by which user space names the binding: not 0, and no other binding's while this or a net_iov of it
    /// lives.
    #[doc(alias = "dmabuf_id")]
    pub fn id(&self) -> u32 {
        self.id.number()
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

impl MemoryProvider for DmabufProvider {
    type Kind = NetIov;

    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
        if !params.flags.contains(PoolFlags::DMA_MAP | PoolFlags::DMA_SYNC_DEV) {
            return Err(ProviderError::NeedsDma);
        }
        if params.direction != DmaDirection::FromDevice {
            return Err(ProviderError::Direction { direction: params.direction });
        }
        params.check_piece_size(self.niov_size)?;
        match &params.device {
            Some(device) if device.id() == self.device => Ok(self.niov_size),
            _ => Err(ProviderError::OtherDevice),
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

impl fmt::Debug for DmabufProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmabufProvider")
            .field("id", &self.id.number())
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
        assert_eq!(binding.id(), id.number());
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
