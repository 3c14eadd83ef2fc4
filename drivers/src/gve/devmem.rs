//! Stage (c): with device memory switched on.
//!
//! Headers are always split off: without a pool for them a ring does not start. A frame that was not split is lost where its
//! headers cannot be read, and a filter never sees more than headers. The device must declare that it receives into unreadable
//! memory (rule P3). Stage (a) is [`gve::page`](super::page), stage (b) [`gve::netmem`](super::netmem).

use super::{BUF_SIZE, Filter, HEAD_SIZE, RX_COPYBREAK};
use crate::port::{PortError, napi_consume_skb};
use crate::stage::{Half, Stage};
use core::fmt;
use netmem::memory::{Page, PageOrIov};
use netmem::netdev::{Completed, Hardware, UnreadableRx};
use netmem::page_pool::{Frag, PagePool, Received};
use netmem::shim::*;
use netmem::skb::{Skb, check_frame};

/// One receive ring.
#[doc(alias = "gve_rx_ring")]
#[doc(alias = "gve_rx_poll_dqo")]
#[doc(alias = "gve_rx_stop_ring_dqo")]
#[doc(alias = "gve_free_to_page_pool")]
pub struct Ring<H: Hardware> {
    // Dropped in this order: the ring stops the device before the pools unmap what it writes to.
    /// The device's ring, the packet that is arriving, the pool of the payload, and the counters.
    half: Half<H, PageOrIov>,
    filter: Option<Filter>,
    /// For header buffers.
    headers: PagePool<Page>,
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
        headers: PagePool<Page>,
        filter: Option<Filter>,
    ) -> Result<Self, PortError>
    where
        H::Rx: UnreadableRx,
    {
        let half = Half::new(hardware, queue, pool)?;
        half.reaches(&headers)?;
        let mut ring = Ring { half, filter, headers };
        ring.post_buffers();
        ring.half.started()?;
        Ok(ring)
    }

    /// Puts a buffer with the consumer side in hand.
    #[doc(alias = "gve_free_buffer")]
    fn free_buffer(&mut self, buffer: Frag) {
        self.half.pool.recycle_frag(buffer);
    }

    /// The same for a header buffer.
    fn free_header(&mut self, header: Frag<Page>) {
        self.headers.recycle_frag(header);
    }

    /// Both buffers of a descriptor, or none of them.
    #[doc(alias = "gve_alloc_buffer")]
    fn alloc_buffer(&mut self) -> Option<(Frag, Frag<Page>)> {
        let header = page_pool_alloc_frag(&mut self.headers, HEAD_SIZE)?;
        let Some(buffer) = page_pool_alloc_netmem(&mut self.half.pool, BUF_SIZE) else {
            self.free_header(header);
            return None;
        };
        Some((buffer, header))
    }

    /// Posts buffers until the ring is full, or a pool has no more.
    #[doc(alias = "gve_rx_post_buffers_dqo")]
    fn post_buffers(&mut self) {
        let mut posted = 0;
        while self.half.has_room() {
            let Some((buffer, header)) = self.alloc_buffer() else {
                self.half.stats.rx.alloc_failed += 1;
                break;
            };
            if let Err(back) = self.half.post(buffer, Some(header)) {
                self.free_buffer(back.payload);
                back.header.into_iter().for_each(|header| self.free_header(header));
                break;
            }
            posted += 1;
        }
        self.half.kick(posted);
    }

    /// Whether the filter drops the frame with these headers.
    fn is_dropped(&mut self, headers: &[u8]) -> bool {
        let frame = check_frame(headers.len()).is_ok();
        let dropped = frame && self.filter.is_some_and(|filter| filter(headers));
        self.half.stats.early_drop += u64::from(dropped);
        self.half.skip |= dropped;
        dropped
    }

    /// Headers that were split off: copied into a new packet. `None` when there is none, and the frame is skipped.
    #[doc(alias = "gve_rx_copy_data")]
    fn rx_header(&mut self, header: Received<Page>) -> Option<Skb> {
        let header = page_pool_dma_sync_for_cpu(&self.headers, header).ok()?;
        let skb = if self.is_dropped(header.bytes()) { None } else { Skb::copy_from(header.bytes()) };
        self.free_header(header);
        skb
    }

    /// A first buffer with headers in it: copied if the frame is short, else the first frag of a new packet.
    #[doc(alias = "gve_rx_copy")]
    fn rx_first(&mut self, buffer: Frag, eop: bool) -> Option<Skb> {
        let Some(bytes) = buffer.bytes() else {
            self.half.stats.unreadable_head += 1;
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
            self.half.stats.copied += 1;
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
            self.half.stats.rx.too_many_frags += 1;
            self.half.skip = true;
            napi_consume_skb(&mut self.half.pool, skb);
            return None;
        }
        Some(skb)
    }

    /// One buffer that was received, with its header buffer. Gives the packet when its frame ends here.
    #[doc(alias = "gve_rx_dqo")]
    fn rx(&mut self, completed: Completed) -> Option<Skb> {
        let Completed { payload, header, end_of_frame: eop, csum_ok } = completed;
        // Of a frame that is skipped, the buffers are recycled, and nothing is looked at.
        let buffer = page_pool_dma_sync_netmem_for_cpu(&self.half.pool, payload).ok()?;
        if self.half.skip || (self.half.skb.is_some() && header.is_some()) {
            self.half.stats.rx.bad_length += u64::from(!self.half.skip);
            self.half.free_skb();
            self.free_buffer(buffer);
            self.half.skip = !eop;
            return None;
        }
        let split = header.is_some();
        let skb = self.half.skb.take().or_else(|| self.rx_header(header?));
        self.half.skb = match skb {
            Some(skb) => self.append_frags(skb, buffer),
            None if split => {
                self.free_buffer(buffer);
                None
            }
            None => self.rx_first(buffer, eop),
        };
        if self.half.skb.is_none() {
            self.half.stats.no_skb += u64::from(!self.half.skip);
            self.half.skip = !eop;
        }
        if !eop {
            return None;
        }
        self.half.complete_skb(csum_ok)
    }
}

impl<H: Hardware> Stage for Ring<H> {
    type Hardware = H;
    type Kind = PageOrIov;

    fn half(&self) -> &Half<H, PageOrIov> {
        &self.half
    }

    fn half_mut(&mut self) -> &mut Half<H, PageOrIov> {
        &mut self.half
    }

    fn headers(&self) -> Option<&PagePool<Page>> {
        Some(&self.headers)
    }

    fn rx(&mut self, completed: Completed) -> Option<Skb> {
        Ring::rx(self, completed)
    }

    fn refill(&mut self) {
        self.post_buffers();
    }

    fn drop_kept(&mut self) {}
}

impl<H: Hardware> fmt::Debug for Ring<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("ring", self.half.ring()).finish()
    }
}
