//! Stage (a): the receive path as it is, on page helpers.
//!
//! What every driver had before netmem: the pool is one of pages, and each buffer has bytes. Stage (b) is
//! [`hns3::netmem`](super::netmem), stage (c) [`hns3::devmem`](super::devmem).

use super::{BUF_SIZE, LOOK_AT, RX_HEAD_SIZE};
use crate::port::{PortError, napi_consume_skb};
use crate::stage::{Half, Stage};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use netmem::memory::Page;
use netmem::mm::page_is_pfmemalloc;
use netmem::netdev::{Completed, Hardware};
use netmem::page_pool::{Frag, PagePool, Received};
use netmem::shim::*;
use netmem::skb::{Skb, eth_get_headlen};

/// One receive ring.
#[doc(alias = "hns3_enet_ring")]
#[doc(alias = "hns3_clean_rx_ring")]
#[doc(alias = "hns3_fini_ring")]
#[doc(alias = "hns3_free_buffer")]
pub struct Ring<H: Hardware> {
    /// Buffers of frames that were copied, to be posted before any is allocated.
    reuse: Vec<Frag<Page>>,
    /// What is left of the page that buffers are cut from.
    rest: Option<Frag<Page>>,
    /// The ring's own reference to each page that it has cut, to be looked at in turn.
    pages: VecDeque<Frag<Page>>,
    /// The device's ring, the packet that is arriving, the pool of the payload, and the counters.
    half: Half<H, Page>,
}

/// Whether nobody but the ring has a reference.
#[doc(alias = "hns3_can_reuse_page")]
fn can_reuse_page(page: &Frag<Page>) -> bool {
    page.borrow().pp_ref_count() == 1
}

impl<H: Hardware> Ring<H> {
    /// Starts receive queue `queue`, and fills its ring as far as there is memory.
    ///
    /// # Errors
    ///
    /// [`PortError`]. The pool is dropped then.
    #[doc(alias = "hns3_init_ring")]
    pub fn new(hardware: &mut H, queue: usize, pool: PagePool<Page>) -> Result<Self, PortError> {
        let half = Half::new(hardware, queue, pool)?;
        let (mut reuse, mut pages) = (Vec::new(), VecDeque::new());
        reuse.try_reserve_exact(half.depth()).map_err(|_| PortError::NoMemory { queue })?;
        pages.try_reserve_exact(half.depth()).map_err(|_| PortError::NoMemory { queue })?;
        let mut ring = Ring { reuse, rest: None, pages, half };
        ring.alloc_rx_buffers();
        ring.half.started()?;
        Ok(ring)
    }

    /// A buffer to post: one of a frame that was copied, or half of a page.
    #[doc(alias = "hns3_alloc_buffer")]
    fn alloc_buffer(&mut self) -> Option<Frag<Page>> {
        if let Some(buffer) = self.reuse.pop() {
            self.half.stats.reused += 1;
            return Some(buffer);
        }
        let mut buffer = self.rest.take().or_else(|| self.alloc_page())?;
        self.rest = buffer.split_off(BUF_SIZE).filter(|rest| rest.len() >= BUF_SIZE);
        Some(buffer)
    }

    /// A page to cut, and one more reference to it, which the ring keeps.
    fn alloc_page(&mut self) -> Option<Frag<Page>> {
        self.reuse_pages(LOOK_AT);
        let page = match page_pool_alloc_pages(&mut self.half.pool) {
            Some(page) => page,
            None => {
                self.reuse_pages(self.pages.len());
                page_pool_alloc_pages(&mut self.half.pool)?
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
                Some(page) if can_reuse_page(&page) => self.half.pool.recycle_frag(page),
                Some(page) => self.pages.push_back(page),
                None => break,
            }
        }
    }

    /// Posts buffers until the ring is full, or the pool has no more.
    #[doc(alias = "hns3_nic_alloc_rx_buffers")]
    fn alloc_rx_buffers(&mut self) {
        let mut posted = 0;
        while self.half.has_room() {
            let Some(buffer) = self.alloc_buffer() else {
                self.half.stats.rx.alloc_failed += 1;
                break;
            };
            if let Err(back) = self.half.post(buffer, None) {
                self.half.pool.recycle_frag(back.payload);
                break;
            }
            posted += 1;
        }
        self.half.kick(posted);
    }

    /// Keeps the buffer of a frame that was copied. One of the reserve that reclaim lives on is put, and leaves the pool.
    #[doc(alias = "hns3_reuse_buffer")]
    fn reuse_buffer(&mut self, buffer: Frag<Page>) {
        if self.reuse.len() == self.reuse.capacity() || page_is_pfmemalloc(buffer.borrow().page()) {
            self.half.pool.recycle_frag(buffer);
        } else {
            self.reuse.push(buffer);
        }
    }

    /// The first buffer of a frame: a short one is copied, of a longer one the headers are.
    #[doc(alias = "hns3_alloc_skb")]
    #[doc(alias = "hns3_handle_rx_copybreak")]
    fn alloc_skb(&mut self, buffer: Received<Page>) -> Option<Skb> {
        if buffer.len() <= RX_HEAD_SIZE {
            let (buffer, skb) = self.half.pool.read_and_reuse(buffer, Skb::copy_from).ok()?;
            self.reuse_buffer(buffer);
            self.half.stats.copied += 1;
            return skb;
        }
        let mut frag = page_pool_dma_sync_for_cpu(&self.half.pool, buffer).ok()?;
        let bytes = frag.bytes();
        let pull_len = eth_get_headlen(bytes, RX_HEAD_SIZE as usize);
        let Some(mut skb) = Skb::copy_from(&bytes[..pull_len]) else {
            self.half.pool.recycle_frag(frag);
            return None;
        };
        frag.advance(pull_len as u32);
        // There is room: it is the first.
        skb_add_rx_frag(&mut skb, frag, BUF_SIZE).ok()?;
        Some(skb)
    }

    /// A further buffer of a frame.
    #[doc(alias = "hns3_add_frag")]
    #[doc(alias = "hns3_nic_reuse_page")]
    fn add_frag(&mut self, mut skb: Skb, buffer: Received<Page>) -> Option<Skb> {
        let frag = page_pool_dma_sync_for_cpu(&self.half.pool, buffer).ok()?;
        if frag.is_empty() {
            self.half.pool.recycle_frag(frag);
        } else if skb_add_rx_frag(&mut skb, frag, BUF_SIZE).is_err() {
            self.half.stats.rx.too_many_frags += 1;
            napi_consume_skb(&mut self.half.pool, skb);
            return None;
        }
        Some(skb)
    }

    /// One buffer that was received. Gives the packet when its frame ends here.
    #[doc(alias = "hns3_handle_rx_bd")]
    fn handle_rx_bd(&mut self, completed: Completed<Page>) -> Option<Skb> {
        let Completed { payload: buffer, header: _, end_of_frame, csum_ok } = completed;
        if !self.half.skip {
            let first = self.half.skb.is_none();
            self.half.skb = match self.half.skb.take() {
                None => self.alloc_skb(buffer),
                Some(skb) => self.add_frag(skb, buffer),
            };
            self.half.skip = self.half.skb.is_none();
            self.half.stats.no_skb += u64::from(first && self.half.skip);
        }
        if !end_of_frame {
            return None;
        }
        self.half.skip = false;
        self.half.complete_skb(csum_ok)
    }
}

impl<H: Hardware> Stage for Ring<H> {
    type Hardware = H;
    type Kind = Page;

    fn half(&self) -> &Half<H, Page> {
        &self.half
    }

    fn half_mut(&mut self) -> &mut Half<H, Page> {
        &mut self.half
    }

    fn headers(&self) -> Option<&PagePool<Page>> {
        None
    }

    fn rx(&mut self, completed: Completed<Page>) -> Option<Skb> {
        self.handle_rx_bd(completed)
    }

    fn refill(&mut self) {
        self.alloc_rx_buffers();
    }

    fn drop_kept(&mut self) {
        self.reuse.clear();
        self.rest = None;
        self.pages.clear();
    }
}

impl<H: Hardware> fmt::Debug for Ring<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("ring", self.half.ring()).field("reuse", &self.reuse.len()).finish()
    }
}
