//! Device memory, and the view of its owner.

use crate::{Memfd, MemfdView};
use netmem::dma::DmaDevice;
use netmem::mm::PAGE_SIZE;
use netmem::page_pool::Chunk;
use netmem::provider::DmabufProvider;
use netmem::skb::Skb;
use std::fmt;
use std::sync::Arc;

/// Memory of a GPU that a queue can receive into: a dma-buf that is bound to a device, and its owner's view of the bytes.
pub struct Gpu {
    /// The memory, which the receiving side does not map.
    pub memory: Arc<Memfd>,
    /// The owner's view of it.
    pub view: MemfdView,
    /// The provider of its net_iovs.
    pub dmabuf: Arc<DmabufProvider>,
    size: usize,
}

impl Gpu {
    /// Binds `niovs` net_iovs of one page each to `device`.
    ///
    /// # Panics
    ///
    /// If there is no memory for them.
    #[must_use]
    #[track_caller]
    pub fn new(device: Arc<dyn DmaDevice>, niovs: usize) -> Self {
        Gpu::of_chunks(device, &[Chunk { offset: 0, len: niovs * PAGE_SIZE }], PAGE_SIZE)
    }

    /// Binds these chunks of a dma-buf to `device`, as net_iovs of `size` bytes. The dma-buf ends with the last chunk.
    ///
    /// # Panics
    ///
    /// If there is no memory for them, or if they cannot be cut into pieces of that size.
    #[must_use]
    #[track_caller]
    pub fn of_chunks(device: Arc<dyn DmaDevice>, chunks: &[Chunk], size: usize) -> Self {
        let len = chunks.iter().map(|chunk| chunk.offset + chunk.len).max().unwrap_or(0);
        let memory = Memfd::new("gpu", len).expect("memory of a GPU");
        let view = memory.map().expect("the view of a GPU");
        let dmabuf = DmabufProvider::bind(device, memory.clone(), chunks, size).expect("chunks that can be cut");
        Gpu { memory, view, dmabuf, size }
    }

    /// Returns how many net_iovs are in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.dmabuf.total() - self.dmabuf.available()
    }

    /// Returns the bytes of a packet, and how many of them are this memory's: those are read as their owner sees them.
    ///
    /// # Panics
    ///
    /// If the packet has bytes that are neither readable nor this memory's.
    #[must_use]
    #[track_caller]
    pub fn bytes(&self, skb: &Skb) -> (Vec<u8>, usize) {
        let (mut bytes, mut device) = (skb.linear().to_vec(), 0);
        for frag in skb.frags() {
            if let Some(host) = frag.bytes() {
                bytes.extend_from_slice(host);
                continue;
            }
            let iov = frag.borrow().backing().net_iov().expect("a page has bytes");
            let at = iov.area().base_virtual() + iov.index() * self.size + frag.offset() as usize;
            let start = bytes.len();
            bytes.resize(start + frag.len() as usize, 0);
            self.view.read(at, &mut bytes[start..]).expect("the frag lies in the memory of the GPU");
            device += frag.len() as usize;
        }
        (bytes, device)
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gpu").field("dmabuf", &self.dmabuf).finish_non_exhaustive()
    }
}
