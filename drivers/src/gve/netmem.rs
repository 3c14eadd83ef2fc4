//! Stage (b): the same on netmem helpers.
//!
//! The payload's pool is of an open kind, and its bytes come as an `Option`: the compiler asks for each place that read a page
//! what is to happen when there is none. What it runs on are pages still; a pool that cannot be read is refused (rule P3).
//! Headers keep their pages, and the page helpers. Stage (a) is [`gve::page`](super::page), stage (c)
//! [`gve::devmem`](super::devmem).

use super::{BUF_SIZE, Filter, HEAD_SIZE, RX_COPYBREAK};
use crate::port::{Lost, PortError, PortRing, PortStats, napi_consume_skb};
use core::fmt;
use netmem::memory::Page;
use netmem::netdev::{Completed, Hardware, RxRing};
use netmem::page_pool::{Frag, PagePool, Received, Stats};
use netmem::shim::*;
use netmem::skb::{IpSummed, Skb, check_frame};

/// One receive ring.
#[doc(alias = "gve_rx_ring")]
pub struct Ring<H: Hardware> {
    // Dropped in this order: the ring stops the device before the pools unmap what it writes to.
    /// `None` once it was stopped.
    ring: Option<RxRing<H::Queue>>,
    /// The packet that is arriving.
    skb_head: Option<Skb>,
    /// It is lost, or was dropped early: the rest of it is skipped.
    skip: bool,
    filter: Option<Filter>,
    queue: u16,
    stats: PortStats,
    pool: PagePool,
    /// For header buffers; `None` when headers are not split off.
    headers: Option<PagePool<Page>>,
}

impl<H: Hardware> Ring<H> {
    /// Starts receive queue `queue`, and fills its ring as far as there is memory.
    ///
    /// # Errors
    ///
    /// [`PortError`]. The pools are dropped then.
    #[doc(alias = "gve_rx_alloc_ring_dqo")]
    pub fn new(
        hardware: &mut H,
        queue: usize,
        pool: PagePool,
        headers: Option<PagePool<Page>>,
        filter: Option<Filter>,
    ) -> Result<Self, PortError> {
        if page_pool_is_unreadable(&pool) {
            return Err(PortError::Unreadable { queue });
        }
        let rings = hardware.rx_queue(queue).ok_or(PortError::NoQueue { queue })?;
        let ring = RxRing::new(rings).map_err(|reason| PortError::NoRing { queue, reason })?;
        let split = headers.as_ref().is_none_or(|headers| headers.is_mapped_for(ring.device().id()));
        if !pool.is_mapped_for(ring.device().id()) || !split {
            return Err(PortError::OtherDevice { queue });
        }
        let (ring, queue, stats) = (Some(ring), queue as u16, PortStats::default());
        let mut ring = Ring { ring, skb_head: None, skip: false, filter, queue, stats, pool, headers };
        ring.post_buffers();
        ring.stats.started(queue)?;
        Ok(ring)
    }

    /// Puts a buffer with the consumer side in hand.
    #[doc(alias = "gve_free_buffer")]
    fn free_buffer(&mut self, buffer: Frag) {
        self.pool.recycle_frag(buffer);
    }

    /// The same for a header buffer.
    fn free_header(&mut self, header: Frag<Page>) {
        if let Some(headers) = &mut self.headers {
            headers.recycle_frag(header);
        }
    }

    /// Both buffers of a descriptor, or none of them.
    #[doc(alias = "gve_alloc_buffer")]
    fn alloc_buffer(&mut self) -> Option<(Frag, Option<Frag<Page>>)> {
        let header = match &mut self.headers {
            Some(headers) => Some(page_pool_alloc_frag(headers, HEAD_SIZE)?),
            None => None,
        };
        let Some(buffer) = page_pool_alloc_netmem(&mut self.pool, BUF_SIZE) else {
            header.into_iter().for_each(|header| self.free_header(header));
            return None;
        };
        Some((buffer, header))
    }

    /// Posts buffers until the ring is full, or a pool has no more.
    #[doc(alias = "gve_rx_post_buffers_dqo")]
    fn post_buffers(&mut self) {
        let mut posted = 0;
        while self.ring.as_ref().is_some_and(|ring| ring.room() != 0) {
            let Some((buffer, header)) = self.alloc_buffer() else {
                self.stats.rx.alloc_failed += 1;
                break;
            };
            let Some(ring) = &mut self.ring else { break };
            if let Err(refused) = ring.post(buffer, header) {
                self.stats.refused = Some(refused.reason);
                self.free_buffer(refused.back.payload);
                refused.back.header.into_iter().for_each(|header| self.free_header(header));
                break;
            }
            posted += 1;
        }
        if let Some(ring) = self.ring.as_mut().filter(|_| posted != 0) {
            self.stats.rx.posted += posted;
            ring.kick();
        }
    }

    /// Whether the filter drops the frame with these headers.
    fn is_dropped(&mut self, headers: &[u8]) -> bool {
        let frame = check_frame(headers.len()).is_ok();
        let dropped = frame && self.filter.is_some_and(|filter| filter(headers));
        self.stats.early_drop += u64::from(dropped);
        self.skip |= dropped;
        dropped
    }

    /// Headers that were split off: copied into a new packet. `None` when there is none, and the frame is skipped.
    #[doc(alias = "gve_rx_copy_data")]
    fn rx_header(&mut self, header: Received<Page>) -> Option<Skb> {
        let header = page_pool_dma_sync_for_cpu(self.headers.as_ref()?, header).ok()?;
        let skb = if self.is_dropped(header.bytes()) { None } else { Skb::copy_from(header.bytes()) };
        self.free_header(header);
        skb
    }

    /// A first buffer with headers in it: copied if the frame is short, else the first frag of a new packet.
    #[doc(alias = "gve_rx_copy")]
    fn rx_first(&mut self, buffer: Frag, eop: bool) -> Option<Skb> {
        let Some(bytes) = buffer.bytes() else {
            self.stats.unreadable_head += 1;
            self.free_buffer(buffer);
            return None;
        };
        if self.is_dropped(bytes) {
            self.free_buffer(buffer);
            return None;
        }
        if eop && buffer.len() <= RX_COPYBREAK {
            let skb = Skb::copy_from(bytes);
            self.free_buffer(buffer);
            self.stats.copied += 1;
            return skb;
        }
        let mut skb = Skb::copy_from(&[])?;
        // There is room: it is the first.
        skb_add_rx_frag_netmem(&mut skb, buffer, BUF_SIZE).ok()?;
        Some(skb)
    }

    /// A further buffer of a frame.
    #[doc(alias = "gve_rx_append_frags")]
    fn append_frags(&mut self, mut skb: Skb, buffer: Frag) -> Option<Skb> {
        if buffer.is_empty() {
            self.free_buffer(buffer);
        } else if skb_add_rx_frag_netmem(&mut skb, buffer, BUF_SIZE).is_err() {
            self.stats.rx.too_many_frags += 1;
            self.skip = true;
            napi_consume_skb(&mut self.pool, skb);
            return None;
        }
        Some(skb)
    }

    /// One buffer that was received, with its header buffer. Gives the packet when its frame ends here.
    #[doc(alias = "gve_rx_dqo")]
    fn rx(&mut self, completed: Completed) -> Option<Skb> {
        let Completed { payload, header, end_of_frame: eop, csum_ok } = completed;
        // Of a frame that is skipped, the buffers are recycled, and nothing is looked at.
        let buffer = page_pool_dma_sync_netmem_for_cpu(&self.pool, payload).ok()?;
        if self.skip || (self.skb_head.is_some() && header.is_some()) {
            self.stats.rx.bad_length += u64::from(!self.skip);
            self.free_skb();
            self.free_buffer(buffer);
            self.skip = !eop;
            return None;
        }
        let split = header.is_some();
        let skb = self.skb_head.take().or_else(|| self.rx_header(header?));
        self.skb_head = match skb {
            Some(skb) => self.append_frags(skb, buffer),
            None if split => {
                self.free_buffer(buffer);
                None
            }
            None => self.rx_first(buffer, eop),
        };
        if self.skb_head.is_none() {
            self.stats.no_skb += u64::from(!self.skip);
            self.skip = !eop;
        }
        if !eop {
            return None;
        }
        self.complete_skb(csum_ok)
    }

    /// A frame has ended: what is known of it goes into the packet.
    #[doc(alias = "gve_rx_complete_skb")]
    #[doc(alias = "gve_rx_skb_csum")]
    fn complete_skb(&mut self, csum_ok: Option<bool>) -> Option<Skb> {
        let mut skb = self.skb_head.take()?;
        if csum_ok == Some(true) {
            skb.set_ip_summed(IpSummed::Unnecessary);
        }
        skb.set_queue(self.queue);
        self.stats.finish(skb)
    }

    /// Drops what has arrived of a frame.
    #[doc(alias = "gve_rx_free_skb")]
    fn free_skb(&mut self) {
        if let Some(skb) = self.skb_head.take() {
            napi_consume_skb(&mut self.pool, skb);
        }
    }
}

impl<H: Hardware> PortRing for Ring<H> {
    #[doc(alias = "gve_rx_poll_dqo")]
    fn poll(&mut self, budget: u32, deliver: &mut dyn FnMut(Skb) -> Option<Skb>) -> u32 {
        let mut work = 0;
        while work < budget {
            let Some(completion) = self.ring.as_mut().and_then(RxRing::complete) else { break };
            match completion {
                Ok(completed) => {
                    work += u32::from(completed.end_of_frame);
                    if let Some(unwanted) = self.rx(completed).and_then(&mut *deliver) {
                        napi_consume_skb(&mut self.pool, unwanted);
                    }
                }
                Err(bad) => {
                    work += 1;
                    if let Lost::Frame { end } = self.stats.refuse(bad, self.skip) {
                        self.free_skb();
                        self.skip = !end;
                    }
                }
            }
        }
        if budget != 0 {
            self.post_buffers();
        }
        work
    }

    fn stats(&self) -> PortStats {
        self.stats
    }

    fn pool_stats(&self) -> (Stats, Option<Stats>) {
        (self.pool.stats(), self.headers.as_ref().map(PagePool::stats))
    }

    fn posted(&self) -> (usize, usize) {
        self.ring.as_ref().map_or((0, 0), |ring| (ring.posted(), ring.depth()))
    }

    fn in_use(&self) -> usize {
        self.pool.in_use() + self.headers.as_ref().map_or(0, PagePool::in_use)
    }

    #[doc(alias = "gve_rx_stop_ring_dqo")]
    #[doc(alias = "gve_free_to_page_pool")]
    fn stop(&mut self) {
        // Each buffer knows its pool.
        self.ring.take().into_iter().flat_map(RxRing::stop).for_each(drop);
        self.free_skb();
    }
}

impl<H: Hardware> fmt::Debug for Ring<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("ring", &self.ring).field("split", &self.headers.is_some()).finish()
    }
}
