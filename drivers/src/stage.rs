//! What no stage of a port changes: the [`Half`] of a ring that each stage has, and how a ring is polled and stopped. A stage
//! says what it does about a buffer ([`Stage`]), and is a [`PortRing`] because of that.

use crate::port::{Lost, PortError, PortRing, PortStats, napi_consume_skb};
use netmem::memory::Page;
use netmem::netdev::{Completed, Hardware, RxBuffers, RxRing};
use netmem::page_pool::{Frag, PagePool, PoolKind, Stats};
use netmem::skb::{IpSummed, Skb};

/// The half of a ring that is the same at every stage: the ring of the device, the packet that is arriving, and the pool of
/// the payload.
pub struct Half<H: Hardware, K: PoolKind> {
    // Dropped in this order: the ring stops the device before the pool unmaps what it writes to.
    /// `None` once it was stopped.
    ring: Option<RxRing<H::Queue, K>>,
    /// The packet that is arriving.
    pub(super) skb: Option<Skb>,
    /// It is lost, or was dropped early: the rest of it is skipped.
    pub(super) skip: bool,
    queue: u16,
    pub(super) stats: PortStats,
    pub(super) pool: PagePool<K>,
}

impl<H: Hardware, K: PoolKind> Half<H, K> {
    /// Takes receive queue `queue` of the hardware. Nothing is posted yet.
    ///
    /// # Errors
    ///
    /// [`PortError`]: there is no such queue, no ring over it, or the pool is not mapped for its device.
    pub(super) fn new(hardware: &mut H, queue: usize, pool: PagePool<K>) -> Result<Self, PortError> {
        let rings = hardware.rx_queue(queue).ok_or(PortError::NoQueue { queue })?;
        let ring = RxRing::new(rings).map_err(|reason| PortError::NoRing { queue, reason })?;
        if !pool.is_mapped_for(ring.device().id()) {
            return Err(PortError::OtherDevice { queue });
        }
        let stats = PortStats::default();
        Ok(Half { ring: Some(ring), skb: None, skip: false, queue: queue as u16, stats, pool })
    }

    /// Refuses a pool of headers that is not mapped for the device of the ring.
    pub(super) fn reaches(&self, headers: &PagePool<Page>) -> Result<(), PortError> {
        let device = self.ring.as_ref().map(|ring| ring.device().id());
        if device.is_some_and(|device| headers.is_mapped_for(device)) {
            Ok(())
        } else {
            Err(PortError::OtherDevice { queue: self.queue.into() })
        }
    }

    /// Refuses a ring that could not be filled because its buffers do not fit it, as it would receive nothing.
    pub(super) fn started(&self) -> Result<(), PortError> {
        self.stats.refused.map_or(Ok(()), |reason| Err(PortError::Post { queue: self.queue.into(), reason }))
    }

    /// Returns how many descriptors the ring has; 0 once it was stopped.
    pub(super) fn depth(&self) -> usize {
        self.ring.as_ref().map_or(0, RxRing::depth)
    }

    /// Returns whether a descriptor is free.
    pub(super) fn has_room(&self) -> bool {
        self.ring.as_ref().is_some_and(|ring| ring.room() != 0)
    }

    /// Posts the buffers of one descriptor. Gives them back when the ring refuses them, and notes why.
    pub(super) fn post(&mut self, payload: Frag<K>, header: Option<Frag<Page>>) -> Result<(), RxBuffers<K>> {
        let Some(ring) = &mut self.ring else { return Err(RxBuffers { payload, header }) };
        ring.post(payload, header).map_err(|refused| {
            self.stats.refused = Some(refused.reason);
            refused.back
        })
    }

    /// Tells the device of this many descriptors that were posted.
    pub(super) fn kick(&mut self, posted: u64) {
        if let Some(ring) = self.ring.as_mut().filter(|_| posted != 0) {
            self.stats.rx.posted += posted;
            ring.kick();
        }
    }

    /// Ends a frame: notes in the packet what is known of it, and counts it.
    #[doc(alias = "gve_rx_complete_skb")]
    #[doc(alias = "gve_rx_skb_csum")]
    pub(super) fn complete_skb(&mut self, csum_ok: Option<bool>) -> Option<Skb> {
        let mut skb = self.skb.take()?;
        if csum_ok == Some(true) {
            skb.set_ip_summed(IpSummed::Unnecessary);
        }
        skb.set_queue(self.queue);
        self.stats.finish(skb)
    }

    /// Drops what has arrived of a frame.
    #[doc(alias = "gve_rx_free_skb")]
    pub(super) fn free_skb(&mut self) {
        if let Some(skb) = self.skb.take() {
            napi_consume_skb(&mut self.pool, skb);
        }
    }

    /// Returns the ring, to print it.
    pub(super) fn ring(&self) -> &impl core::fmt::Debug {
        &self.ring
    }
}

/// A stage of a port: what it does about a buffer, and what it keeps beside its [`Half`].
pub trait Stage: Send {
    /// The hardware below.
    type Hardware: Hardware;
    /// The kind of the payload.
    type Kind: PoolKind;

    /// Returns the half that no stage changes.
    fn half(&self) -> &Half<Self::Hardware, Self::Kind>;

    /// Returns the same, to change what is in it.
    fn half_mut(&mut self) -> &mut Half<Self::Hardware, Self::Kind>;

    /// Returns the pool of the headers, where they are split off.
    fn headers(&self) -> Option<&PagePool<Page>>;

    /// Handles one buffer that was received, with its header buffer. Returns the packet when its frame ends here.
    fn rx(&mut self, completed: Completed<Self::Kind>) -> Option<Skb>;

    /// Posts buffers until the ring is full, or a pool has no more.
    fn refill(&mut self);

    /// Drops the buffers that are kept and not posted.
    fn drop_kept(&mut self);
}

impl<S: Stage> PortRing for S {
    fn poll(&mut self, budget: u32, deliver: &mut dyn FnMut(Skb) -> Option<Skb>) -> u32 {
        let mut work = 0;
        while work < budget {
            let Some(completion) = self.half_mut().ring.as_mut().and_then(RxRing::complete) else { break };
            match completion {
                Ok(completed) => {
                    work += u32::from(completed.end_of_frame);
                    if let Some(unwanted) = self.rx(completed).and_then(&mut *deliver) {
                        napi_consume_skb(&mut self.half_mut().pool, unwanted);
                    }
                }
                Err(bad) => {
                    work += 1;
                    let half = self.half_mut();
                    if let Lost::Frame { end } = half.stats.refuse(bad, half.skip) {
                        half.free_skb();
                        half.skip = !end;
                    }
                }
            }
        }
        if budget != 0 {
            self.refill();
        }
        work
    }

    fn stats(&self) -> PortStats {
        self.half().stats
    }

    fn pool_stats(&self) -> (Stats, Option<Stats>) {
        (self.half().pool.stats(), self.headers().map(PagePool::stats))
    }

    fn posted(&self) -> (usize, usize) {
        self.half().ring.as_ref().map_or((0, 0), |ring| (ring.posted(), ring.depth()))
    }

    fn in_use(&self) -> usize {
        self.half().pool.in_use() + self.headers().map_or(0, PagePool::in_use)
    }

    fn stop(&mut self) {
        // Each buffer knows its pool.
        self.half_mut().ring.take().into_iter().flat_map(RxRing::stop).for_each(drop);
        self.drop_kept();
        self.half_mut().free_skb();
    }
}
