//! [`QueueMemory`]: what a queue runs on, and how the driver makes, stops and starts it.

use super::Driver;
use super::plan::{Sizes, are_mapped_for};
use super::queue::RxQueue;
use alloc::vec::Vec;
use core::fmt;
use netmem::Refused;
use netmem::memory::Page;
use netmem::netdev::{Hardware, NetDevice, PostError, QueueError, QueueMgmt, RxMemory, RxQueueConfig, RxRing};
use netmem::page_pool::{AnyProvider, PagePool, Received};

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

impl<H: Hardware> QueueMemory<H> {
    pub(super) fn new(ring: RxRing<H::Queue>, memory: RxMemory, sizes: Sizes) -> Self {
        QueueMemory { ring: Some(ring), parked: Vec::new(), memory, sizes }
    }
}

impl<H: Hardware> fmt::Debug for QueueMemory<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueMemory").field("memory", &self.memory).field("parked", &self.parked.len()).finish()
    }
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
        rx.plan.make(&mut self.hardware, queue, config, rx.backlog())
    }

    fn payload_pool(memory: &QueueMemory<H>) -> &PagePool {
        memory.memory.payload()
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

    fn queue_start(
        &mut self,
        queue: usize,
        mut memory: QueueMemory<H>,
    ) -> Result<(), Refused<QueueError, QueueMemory<H>>> {
        let Some(rx) = self.queues.get_mut(queue) else {
            return Err(Refused { reason: QueueError::NoRings { queue }, back: memory });
        };
        if rx.ring.is_some() {
            return Err(Refused { reason: QueueError::Device { what: "the queue runs already" }, back: memory });
        }
        let ring = match memory.ring.take() {
            Some(ring) => Some(ring),
            None => self.hardware.rx_queue(queue).and_then(|rings| RxRing::new(rings).ok()),
        };
        let Some(mut ring) = ring else {
            return Err(Refused { reason: QueueError::NoRings { queue }, back: memory });
        };
        if !are_mapped_for(&memory.memory, ring.device().id()) {
            let reason = QueueError::Post { queue, reason: PostError::NotMapped };
            return Err(Refused { reason, back: QueueMemory { ring: Some(ring), ..memory } });
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
                Err(Refused { reason: QueueError::NoRings { queue }, back: memory })
            }
        }
    }
}
