//! [`QueuePlan`]: how the driver makes memory for a queue, and posts it.

use super::QueueMemory;
use alloc::sync::Arc;
use core::fmt;
use netmem::Page;
use netmem::dma::{DeviceId, DmaDevice, DmaDirection, DmaQueue};
use netmem::mm::PAGE_SIZE;
use netmem::netdev::{Hardware, PostError, QueueError, RxKind, RxMemory, RxQueueConfig, RxRing};
use netmem::page_pool::{AnyProvider, Frag, MemoryProvider, PagePool, PagePoolParams};

/// How the driver makes memory for a queue: what [`Driver`](super::Driver) reads off the pools that the queue starts with.
///
/// A core makes the new memory of a queue while the old one is polled. A poll has the driver as `&mut`, so this is a value of its own:
/// the caller keeps a clone of it, and of its hardware, and [makes](Self::make) memory beside a poll. [`QueueMgmt`](netmem::netdev::QueueMgmt)
/// then stops the queue and starts it again.
#[derive(Clone)]
pub struct QueuePlan {
    /// Its own pages; `None` when it was started without any.
    pages: Option<Arc<dyn MemoryProvider<Kind = Page>>>,
    params: PagePoolParams,
    /// The size of a piece of its own pages.
    piece: u32,
    headers: Option<Arc<dyn MemoryProvider<Kind = Page>>>,
    buffer_size: u32,
    header_size: u32,
}

/// What is posted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Bytes of a payload buffer, without headroom.
    pub(super) buffer: u32,
    pub(super) header: u32,
    pub(super) headroom: u32,
}

impl QueuePlan {
    /// Reads off the pools that a queue starts with how the driver would make them.
    pub(super) fn new(pools: &RxMemory, device: Arc<dyn DmaDevice>, buffer_size: u32, header_size: u32) -> Self {
        let page = |provider: &AnyProvider| match provider {
            AnyProvider::Page(provider) => Some(provider.clone()),
            AnyProvider::NetIov(_) => None,
        };
        let headers = pools.headers().and_then(|headers| page(headers.provider()));
        let payload = page(pools.payload().provider());
        let piece = if payload.is_some() { pools.payload().piece_size() } else { PAGE_SIZE as u32 };
        let params = PagePoolParams::for_device(device, PAGE_SIZE as u32);
        QueuePlan { pages: payload.or_else(|| headers.clone()), params, piece, headers, buffer_size, header_size }
    }

    fn sizes<K: RxKind>(&self, config: &RxQueueConfig<K>) -> Sizes {
        let buffer = match config.rx_page_size() {
            0 => self.buffer_size,
            size => size,
        };
        Sizes { buffer, header: self.header_size, headroom: config.headroom() }
    }

    /// Makes pools and a ring for queue `queue`, and fills the ring but for `spare` descriptors. The device does not have the buffers
    /// before the queue starts.
    ///
    /// # Errors
    ///
    /// [`QueueError`]: the device has no rings to give, a pool is refused, or there is no memory. What was made is dropped.
    #[doc(alias = "ndo_queue_mem_alloc")]
    pub fn make<H: Hardware>(
        &self,
        hardware: &mut H,
        queue: usize,
        config: &RxQueueConfig<H::Rx>,
        spare: usize,
    ) -> Result<QueueMemory<H>, QueueError> {
        let sizes = self.sizes(config);
        let mut memory = self.pools(queue, config)?;
        let (size, max) = (sizes.buffer.saturating_add(sizes.headroom), memory.payload().piece_size());
        if size > max {
            return Err(QueueError::BufferSize { size, max });
        }
        let rings = hardware.rx_queue(queue).ok_or(QueueError::NoRings { queue })?;
        let mut ring = RxRing::new(rings).map_err(|reason| QueueError::Ring { queue, reason })?;
        // Not kicked: the device does not have them before the queue starts.
        match fill(&mut ring, &mut memory, sizes, spare) {
            (_, Some(reason)) => Err(QueueError::Post { queue, reason }),
            (0, None) if !has_some(&mut memory, sizes) => Err(QueueError::NoBuffers),
            _ => Ok(QueueMemory::new(ring, memory, sizes)),
        }
    }

    /// Makes pools for a queue.
    fn pools<K: RxKind>(&self, queue: usize, config: &RxQueueConfig<K>) -> Result<RxMemory, QueueError> {
        let refused = |reason| QueueError::Pool { queue, reason };
        let mut params = PagePoolParams { queue_idx: queue as u32, ..self.params.clone() };
        let provider = match config.provider().cloned().map(Into::<AnyProvider>::into) {
            Some(provider) if provider.is_unreadable() && self.headers.is_none() => {
                return Err(QueueError::NoHeaders { queue });
            }
            Some(provider) => {
                params.rx_page_size = config.rx_page_size();
                params.max_len = params.max_len.max(params.rx_page_size);
                provider
            }
            None => {
                params.order = (self.piece / PAGE_SIZE as u32).ilog2();
                params.max_len = self.piece;
                AnyProvider::Page(self.pages.clone().ok_or(QueueError::NoDefault { queue })?)
            }
        };
        if config.headroom() != 0 {
            // What a program changed may be sent from where it is.
            params.direction = DmaDirection::Bidirectional;
        }
        let headers = self.headers.as_ref().map(|headers| PagePool::<Page>::new(self.params.clone(), headers.clone()));
        let headers = headers.transpose().map_err(refused)?;
        Ok(RxMemory::new(PagePool::new(params, provider).map_err(refused)?, headers))
    }
}

impl fmt::Debug for QueuePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuePlan")
            .field("buffer_size", &self.buffer_size)
            .field("header_size", &self.header_size)
            .finish()
    }
}

/// Returns whether the pools of a queue are mapped for this device.
pub(super) fn are_mapped_for(memory: &RxMemory, device: DeviceId) -> bool {
    let headers = memory.headers().is_none_or(|headers| headers.is_mapped_for(device));
    headers && memory.payload().is_mapped_for(device)
}

/// Posts buffers until the ring has room for no more than `spare`, or a pool has no more, or the ring refuses one. Returns how
/// many it posted, and why it refused one.
pub(super) fn fill<Q: DmaQueue>(
    ring: &mut RxRing<Q>,
    memory: &mut RxMemory,
    sizes: Sizes,
    spare: usize,
) -> (u64, Option<PostError>) {
    let mut posted = 0;
    while ring.room() > spare {
        let Some((payload, header)) = alloc(memory, sizes) else { break };
        if let Err(refused) = ring.post_behind(payload, sizes.headroom, header) {
            recycle(memory, refused.back.payload, refused.back.header);
            return (posted, Some(refused.reason));
        }
        posted += 1;
    }
    (posted, None)
}

/// Both buffers of a descriptor, or none of them.
fn alloc(memory: &mut RxMemory, sizes: Sizes) -> Option<(Frag, Option<Frag<Page>>)> {
    let header = match memory.headers_mut() {
        Some(headers) => Some(headers.alloc_frag(sizes.header)?),
        None => None,
    };
    match memory.payload_mut().alloc_frag(sizes.buffer + sizes.headroom) {
        Some(payload) => Some((payload, header)),
        None => {
            if let (Some(header), Some(headers)) = (header, memory.headers_mut()) {
                headers.recycle_frag(header);
            }
            None
        }
    }
}

/// Returns whether there are buffers for one descriptor.
fn has_some(memory: &mut RxMemory, sizes: Sizes) -> bool {
    let buffers = alloc(memory, sizes);
    buffers.map(|(payload, header)| recycle(memory, payload, header)).is_some()
}

/// Gives both buffers of a descriptor back to the pools of the queue.
fn recycle(memory: &mut RxMemory, payload: Frag, header: Option<Frag<Page>>) {
    memory.payload_mut().recycle_frag(payload);
    if let (Some(header), Some(headers)) = (header, memory.headers_mut()) {
        headers.recycle_frag(header);
    }
}
