//! [`QueueMemory`]: what a queue runs on, and how the driver makes, stops and starts it.

use super::Driver;
use super::queue::RxQueue;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use netmem::dma::{DeviceId, DmaDevice, DmaDirection, DmaQueue};
use netmem::memory::Page;
use netmem::mm::PAGE_SIZE;
use netmem::netdev::{
    Hardware, NetDevice, PostRefused, QueueError, QueueMgmt, RxKind, RxMemory, RxQueueConfig, RxRing, StartError,
};
use netmem::page_pool::{AnyProvider, Frag, MemoryProvider, PagePool, PagePoolParams, Received};

/// What a queue runs on.
pub struct QueueMemory<H: Hardware> {
    // Dropped in this order: the ring stops the device before the pools unmap what it writes to.
    /// `None` once the queue was stopped.
    ring: Option<RxRing<H::Queue>>,
    /// What was posted to the ring that was stopped.
    parked: Vec<(Received, Option<Received<Page>>)>,
    memory: RxMemory,
    sizes: Sizes,
}

impl<H: Hardware> fmt::Debug for QueueMemory<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueMemory").field("memory", &self.memory).field("parked", &self.parked.len()).finish()
    }
}

/// How the driver makes memory for a queue.
pub(super) struct Plan {
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

impl<H: Hardware> QueueMgmt for Driver<H> {
    /// The declaration of the device is the declaration of its driver: this one never looks at payload.
    type Rx = H::Rx;
    type Memory = QueueMemory<H>;

    fn net_device(&self) -> &NetDevice<H::Rx> {
        &self.net
    }

    fn net_device_mut(&mut self) -> &mut NetDevice<H::Rx> {
        &mut self.net
    }

    fn is_present(&self) -> bool {
        !self.hardware.is_gone()
    }

    fn queue_mem_alloc(&mut self, queue: usize, config: &RxQueueConfig<H::Rx>) -> Result<QueueMemory<H>, QueueError> {
        let rx = self.queues.get(queue).ok_or(QueueError::NoRings { queue })?;
        let bound = config.provider().cloned().map(Into::<AnyProvider>::into);
        if self.xdp.is_some() && bound.is_some_and(|provider| provider.is_unreadable()) {
            return Err(QueueError::Program { queue });
        }
        let (plan, backlog) = (&rx.plan, rx.backlog());
        let sizes = plan.sizes(config);
        let mut memory = plan.make(queue, config)?;
        let (size, max) = (sizes.buffer.saturating_add(sizes.headroom), memory.payload.buffer_size());
        if size > max {
            return Err(QueueError::BufferSize { size, max });
        }
        let rings = self.hardware.rx_queue(queue).ok_or(QueueError::NoRings { queue })?;
        let mut ring = RxRing::new(rings).ok_or(QueueError::NoMemory { queue })?;
        // Not kicked: the device does not have them before the queue starts.
        match fill(&mut ring, &mut memory, sizes, backlog) {
            (_, Some(reason)) => Err(QueueError::Post { queue, reason }),
            (0, None) if !has_some(&mut memory, sizes) => Err(QueueError::NoBuffers),
            _ => Ok(QueueMemory { ring: Some(ring), parked: Vec::new(), memory, sizes }),
        }
    }

    fn payload_pool(memory: &QueueMemory<H>) -> &PagePool {
        &memory.memory.payload
    }

    fn queue_stop(&mut self, queue: usize) -> Result<QueueMemory<H>, QueueError> {
        let stopped = QueueError::Device { what: "the queue is stopped already" };
        let Some(RxQueue { ring: Some(ring), ready, .. }) = self.queues.get_mut(queue) else { return Err(stopped) };
        let mut parked = Vec::new();
        // Frames that ended, and completions that are refused.
        let budget = 2 * ring.depth() as u32;
        let room = parked.try_reserve_exact(ring.depth()).and_then(|()| ready.try_reserve(ring.depth()));
        room.map_err(|_| QueueError::NoMemory { queue })?;
        ring.halt();
        // What it completed is received now: its memory is about to leave the NAPI.
        let (rx, xdp) = (&mut self.queues[queue], &mut self.xdp);
        self.napi.poll(budget, |poll| rx.drain(queue, budget, poll, xdp));
        let Some(memory) = self.napi.detach(queue) else { return Err(stopped) };
        if let Some(ring) = rx.ring.take() {
            parked.extend(ring.stop());
        }
        Ok(QueueMemory { ring: None, parked, memory, sizes: rx.sizes })
    }

    fn queue_start(&mut self, queue: usize, mut memory: QueueMemory<H>) -> Result<(), StartError<QueueMemory<H>>> {
        let Some(rx) = self.queues.get_mut(queue) else {
            return Err(StartError { reason: QueueError::NoRings { queue }, memory });
        };
        if rx.ring.is_some() {
            return Err(StartError { reason: QueueError::Device { what: "the queue runs already" }, memory });
        }
        let ring = match memory.ring.take() {
            Some(ring) => Some(ring),
            None => self.hardware.rx_queue(queue).and_then(RxRing::new),
        };
        let Some(mut ring) = ring else {
            return Err(StartError { reason: QueueError::NoRings { queue }, memory });
        };
        if !are_mapped_for(&memory.memory, ring.device().id()) {
            let reason = QueueError::Post { queue, reason: PostRefused::NotMapped };
            return Err(StartError { reason, memory: QueueMemory { ring: Some(ring), ..memory } });
        }
        let QueueMemory { ring: _, parked, memory: pools, sizes } = memory;
        for (payload, header) in parked {
            // As many as were posted before. One that is refused goes back to its pool.
            let _ = ring.repost(payload, header);
        }
        match self.napi.replace(queue, pools) {
            Ok(_) => {
                ring.kick();
                rx.stats.posted += ring.posted() as u64;
                (rx.ring, rx.sizes) = (Some(ring), sizes);
                Ok(())
            }
            Err(pools) => {
                let memory = QueueMemory { ring: Some(ring), parked: Vec::new(), memory: pools, sizes };
                Err(StartError { reason: QueueError::NoRings { queue }, memory })
            }
        }
    }
}

impl Plan {
    /// Reads off the pools that a queue starts with how the driver would make them.
    pub(super) fn new(pools: &RxMemory, device: Arc<dyn DmaDevice>, buffer_size: u32, header_size: u32) -> Self {
        let page = |provider: &AnyProvider| match provider {
            AnyProvider::Page(provider) => Some(provider.clone()),
            AnyProvider::NetIov(_) => None,
        };
        let headers = pools.headers.as_ref().and_then(|headers| page(headers.provider()));
        let payload = page(pools.payload.provider());
        let piece = if payload.is_some() { pools.payload.buffer_size() } else { PAGE_SIZE as u32 };
        let params = PagePoolParams::for_device(device, PAGE_SIZE as u32);
        Plan { pages: payload.or_else(|| headers.clone()), params, piece, headers, buffer_size, header_size }
    }

    fn sizes<K: RxKind>(&self, config: &RxQueueConfig<K>) -> Sizes {
        let buffer = match config.rx_page_size() {
            0 => self.buffer_size,
            size => size,
        };
        Sizes { buffer, header: self.header_size, headroom: config.headroom() }
    }

    /// Makes pools for a queue.
    fn make<K: RxKind>(&self, queue: usize, config: &RxQueueConfig<K>) -> Result<RxMemory, QueueError> {
        let refused = |reason| QueueError::Pool { queue, reason };
        let mut params = self.params.clone();
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
        Ok(RxMemory { payload: PagePool::new(params, provider).map_err(refused)?, headers })
    }
}

/// Returns whether the pools of a queue are mapped for this device.
pub(super) fn are_mapped_for(memory: &RxMemory, device: DeviceId) -> bool {
    let headers = memory.headers.as_ref().is_none_or(|headers| headers.is_mapped_for(device));
    headers && memory.payload.is_mapped_for(device)
}

/// Posts buffers until the ring has room for no more than `spare`, or a pool has no more, or the ring refuses one. Returns how
/// many it posted, and why it refused one.
pub(super) fn fill<Q: DmaQueue>(
    ring: &mut RxRing<Q>,
    memory: &mut RxMemory,
    sizes: Sizes,
    spare: usize,
) -> (u64, Option<PostRefused>) {
    let mut posted = 0;
    while ring.room() > spare {
        let Some((payload, header)) = alloc(memory, sizes) else { break };
        if let Err(refused) = ring.post_behind(payload, sizes.headroom, header) {
            recycle(memory, refused.payload, refused.header);
            return (posted, Some(refused.reason));
        }
        posted += 1;
    }
    (posted, None)
}

/// Both buffers of a descriptor, or none of them.
fn alloc(memory: &mut RxMemory, sizes: Sizes) -> Option<(Frag, Option<Frag<Page>>)> {
    let header = match &mut memory.headers {
        Some(headers) => Some(headers.alloc_frag(sizes.header)?),
        None => None,
    };
    match memory.payload.alloc_frag(sizes.buffer + sizes.headroom) {
        Some(payload) => Some((payload, header)),
        None => {
            if let (Some(header), Some(headers)) = (header, &mut memory.headers) {
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
    memory.payload.recycle_frag(payload);
    if let (Some(header), Some(headers)) = (header, &mut memory.headers) {
        headers.recycle_frag(header);
    }
}
