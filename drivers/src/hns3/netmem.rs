//! Stage (b): the same on netmem helpers.
//!
//! The pool is of an open kind, and bytes come as an `Option`: the compiler asks for each place that read a page what is to
//! happen when there is none. What it runs on are pages still; a pool that cannot be read is refused (rule P3). Stage (a)
//! is [`hns3::page`](super::page), stage (c) [`hns3::devmem`](super::devmem).

use super::{BUF_SIZE, LOOK_AT, RX_HEAD_SIZE};
use crate::port::{Lost, PortError, PortRing, PortStats, napi_consume_skb};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use netmem::netdev::{Completed, Hardware, RxRing};
use netmem::page_pool::{Frag, PagePool, Received, Stats};
use netmem::shim::*;
use netmem::skb::{IpSummed, Skb, eth_get_headlen};

/// One receive ring.
#[doc(alias = "hns3_enet_ring")]
pub struct Ring<H: Hardware> {
    // Dropped in this order: the ring stops the device before the pool unmaps what it writes to.
    /// `None` once it was stopped.
    ring: Option<RxRing<H::Queue>>,
    /// Buffers of frames that were copied, to be posted before any is allocated.
    reuse: Vec<Frag>,
    /// What is left of the page that buffers are cut from.
    rest: Option<Frag>,
    /// The ring's own reference to each page that it has cut, to be looked at in turn.
    pages: VecDeque<Frag>,
    /// The packet that is arriving.
    skb: Option<Skb>,
    /// It is lost: the rest of it is skipped.
    lost: bool,
    queue: u16,
    stats: PortStats,
    pool: PagePool,
}

/// Whether nobody but the ring has a reference.
#[doc(alias = "hns3_can_reuse_page")]
fn can_reuse_page(page: &Frag) -> bool {
    page.borrow().pp_ref_count() == 1
}

impl<H: Hardware> Ring<H> {
    /// Starts receive queue `queue`, and fills its ring as far as there is memory.
    ///
    /// # Errors
    ///
    /// [`PortError`]. The pool is dropped then.
    #[doc(alias = "hns3_init_ring")]
    pub fn new(hardware: &mut H, queue: usize, pool: PagePool) -> Result<Self, PortError> {
        if page_pool_is_unreadable(&pool) {
            return Err(PortError::Unreadable { queue });
        }
        let rings = hardware.rx_queue(queue).ok_or(PortError::NoQueue { queue })?;
        let ring = RxRing::new(rings).map_err(|reason| PortError::NoRing { queue, reason })?;
        if !pool.is_mapped_for(ring.device().id()) {
            return Err(PortError::OtherDevice { queue });
        }
        let (mut reuse, mut pages) = (Vec::new(), VecDeque::new());
        reuse.try_reserve_exact(ring.depth()).map_err(|_| PortError::NoMemory { queue })?;
        pages.try_reserve_exact(ring.depth()).map_err(|_| PortError::NoMemory { queue })?;
        let (ring, stats, queue) = (Some(ring), PortStats::default(), queue as u16);
        let mut ring = Ring { ring, reuse, rest: None, pages, skb: None, lost: false, queue, stats, pool };
        ring.alloc_rx_buffers();
        ring.stats.started(queue)?;
        Ok(ring)
    }

    /// A buffer to post: one of a frame that was copied, or half of a page.
    #[doc(alias = "hns3_alloc_buffer")]
    fn alloc_buffer(&mut self) -> Option<Frag> {
        if let Some(buffer) = self.reuse.pop() {
            self.stats.reused += 1;
            return Some(buffer);
        }
        let mut buffer = self.rest.take().or_else(|| self.alloc_page())?;
        self.rest = buffer.split_off(BUF_SIZE).filter(|rest| rest.len() >= BUF_SIZE);
        Some(buffer)
    }

    /// A page to cut, and one more reference to it, which the ring keeps.
    fn alloc_page(&mut self) -> Option<Frag> {
        self.reuse_pages(LOOK_AT);
        let page = match page_pool_alloc_netmems(&mut self.pool) {
            Some(page) => page,
            None => {
                self.reuse_pages(self.pages.len());
                page_pool_alloc_netmems(&mut self.pool)?
            }
        };
        let mut whole = page.into_frag().ok()?;
        if self.pages.len() < self.pages.capacity() {
            // A frag of no bytes is a reference: all that is asked of it is whether it is the last.
            self.pages.extend(whole.split_off(whole.len()));
        }
        Some(whole)
    }

    /// Of the next `n` that the ring has cut, takes those into use again to which its own reference is the only one: they
    /// go into the pool's cache, synced for the device, and come out next.
    fn reuse_pages(&mut self, n: usize) {
        for _ in 0..n.min(self.pages.len()) {
            match self.pages.pop_front() {
                Some(page) if can_reuse_page(&page) => self.pool.recycle_frag(page),
                Some(page) => self.pages.push_back(page),
                None => break,
            }
        }
    }

    /// Posts buffers until the ring is full, or the pool has no more.
    #[doc(alias = "hns3_nic_alloc_rx_buffers")]
    fn alloc_rx_buffers(&mut self) {
        let mut posted = 0;
        while self.ring.as_ref().is_some_and(|ring| ring.room() != 0) {
            let Some(buffer) = self.alloc_buffer() else {
                self.stats.rx.alloc_failed += 1;
                break;
            };
            let Some(ring) = &mut self.ring else { break };
            if let Err(refused) = ring.post(buffer, None) {
                self.stats.refused = Some(refused.reason);
                self.pool.recycle_frag(refused.back.payload);
                break;
            }
            posted += 1;
        }
        if let Some(ring) = self.ring.as_mut().filter(|_| posted != 0) {
            self.stats.rx.posted += posted;
            ring.kick();
        }
    }

    /// Keeps the buffer of a frame that was copied. One of the reserve that reclaim lives on is put, and leaves the pool.
    #[doc(alias = "hns3_reuse_buffer")]
    fn reuse_buffer(&mut self, buffer: Frag) {
        if self.reuse.len() == self.reuse.capacity() || netmem_is_pfmemalloc(buffer.borrow()) {
            self.pool.recycle_frag(buffer);
        } else {
            self.reuse.push(buffer);
        }
    }

    /// The first buffer of a frame: a short one is copied, of a longer one the headers are.
    #[doc(alias = "hns3_alloc_skb")]
    #[doc(alias = "hns3_handle_rx_copybreak")]
    fn alloc_skb(&mut self, buffer: Received) -> Option<Skb> {
        if buffer.len() <= RX_HEAD_SIZE {
            let copy = |bytes: Option<&[u8]>| bytes.and_then(Skb::copy_from);
            let (buffer, skb) = self.pool.read_and_reuse(buffer, copy).ok()?;
            self.reuse_buffer(buffer);
            self.stats.copied += 1;
            return skb;
        }
        let mut frag = page_pool_dma_sync_netmem_for_cpu(&self.pool, buffer).ok()?;
        let Some(bytes) = frag.bytes() else {
            self.stats.unreadable_head += 1;
            self.pool.recycle_frag(frag);
            return None;
        };
        let pull_len = eth_get_headlen(bytes, RX_HEAD_SIZE as usize);
        let Some(mut skb) = Skb::copy_from(&bytes[..pull_len]) else {
            self.pool.recycle_frag(frag);
            return None;
        };
        frag.advance(pull_len as u32);
        // There is room: it is the first.
        skb_add_rx_frag_netmem(&mut skb, frag, BUF_SIZE).ok()?;
        Some(skb)
    }

    /// A further buffer of a frame.
    #[doc(alias = "hns3_add_frag")]
    #[doc(alias = "hns3_nic_reuse_page")]
    fn add_frag(&mut self, mut skb: Skb, buffer: Received) -> Option<Skb> {
        let frag = page_pool_dma_sync_netmem_for_cpu(&self.pool, buffer).ok()?;
        if frag.is_empty() {
            self.pool.recycle_frag(frag);
        } else if skb_add_rx_frag_netmem(&mut skb, frag, BUF_SIZE).is_err() {
            self.stats.rx.too_many_frags += 1;
            napi_consume_skb(&mut self.pool, skb);
            return None;
        }
        Some(skb)
    }

    /// One buffer that was received. Gives the packet when its frame ends here.
    #[doc(alias = "hns3_handle_rx_bd")]
    fn handle_rx_bd(&mut self, completed: Completed) -> Option<Skb> {
        let Completed { payload: buffer, header: _, end_of_frame, csum_ok } = completed;
        if !self.lost {
            let first = self.skb.is_none();
            self.skb = match self.skb.take() {
                None => self.alloc_skb(buffer),
                Some(skb) => self.add_frag(skb, buffer),
            };
            self.lost = self.skb.is_none();
            self.stats.no_skb += u64::from(first && self.lost);
        }
        if !end_of_frame {
            return None;
        }
        self.lost = false;
        let mut skb = self.skb.take()?;
        if csum_ok == Some(true) {
            skb.set_ip_summed(IpSummed::Unnecessary);
        }
        skb.set_queue(self.queue);
        self.stats.finish(skb)
    }

    /// Drops what has arrived of a frame.
    fn free_skb(&mut self) {
        if let Some(skb) = self.skb.take() {
            napi_consume_skb(&mut self.pool, skb);
        }
    }
}

impl<H: Hardware> PortRing for Ring<H> {
    #[doc(alias = "hns3_clean_rx_ring")]
    fn poll(&mut self, budget: u32, deliver: &mut dyn FnMut(Skb) -> Option<Skb>) -> u32 {
        let mut work = 0;
        while work < budget {
            let Some(completion) = self.ring.as_mut().and_then(RxRing::complete) else { break };
            match completion {
                Ok(completed) => {
                    work += u32::from(completed.end_of_frame);
                    if let Some(unwanted) = self.handle_rx_bd(completed).and_then(&mut *deliver) {
                        napi_consume_skb(&mut self.pool, unwanted);
                    }
                }
                Err(bad) => {
                    work += 1;
                    if let Lost::Frame { end } = self.stats.refuse(bad, self.lost) {
                        self.free_skb();
                        self.lost = !end;
                    }
                }
            }
        }
        if budget != 0 {
            self.alloc_rx_buffers();
        }
        work
    }

    fn stats(&self) -> PortStats {
        self.stats
    }

    fn pool_stats(&self) -> (Stats, Option<Stats>) {
        (self.pool.stats(), None)
    }

    fn posted(&self) -> (usize, usize) {
        self.ring.as_ref().map_or((0, 0), |ring| (ring.posted(), ring.depth()))
    }

    fn in_use(&self) -> usize {
        self.pool.in_use()
    }

    #[doc(alias = "hns3_fini_ring")]
    #[doc(alias = "hns3_free_buffer")]
    fn stop(&mut self) {
        // Each buffer knows its pool.
        self.ring.take().into_iter().flat_map(RxRing::stop).for_each(drop);
        self.reuse.clear();
        self.rest = None;
        self.pages.clear();
        self.free_skb();
    }
}

impl<H: Hardware> fmt::Debug for Ring<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("ring", &self.ring).field("reuse", &self.reuse.len()).finish()
    }
}
