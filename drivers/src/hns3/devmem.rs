//! Stage (c): with device memory switched on.
//!
//! Headers are split off to a second pool, one of pages (rule P2); they are copied, and their buffer is posted again. Payload
//! goes up as it came and is looked at in one place: a short frame is copied where its payload can be read. The device must
//! declare that it receives into unreadable memory (rule P3). Stage (a) is [`hns3::page`](super::page), stage (b)
//! [`hns3::netmem`](super::netmem).

use super::{BUF_SIZE, HEAD_SIZE, LOOK_AT, RX_HEAD_SIZE};
use crate::port::{PortError, napi_consume_skb};
use crate::stage::{Half, Stage};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use netmem::memory::{Page, PageOrIov};
use netmem::netdev::{Completed, Hardware, UnreadableRx};
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
    reuse: Vec<Frag>,
    /// What is left of the piece of memory that buffers are cut from.
    rest: Option<Frag>,
    /// The ring's own reference to each piece of memory that it has cut, to be looked at in turn.
    pages: VecDeque<Frag>,
    /// The same for headers, which always are.
    reuse_heads: Vec<Frag<Page>>,
    // Dropped in this order: the ring stops the device before the pools unmap what it writes to.
    /// The device's ring, the packet that is arriving, the pool of the payload, and the counters.
    half: Half<H, PageOrIov>,
    headers: PagePool<Page>,
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
    /// [`PortError`]. The pools are dropped then.
    #[doc(alias = "hns3_init_ring")]
    pub fn new(hardware: &mut H, queue: usize, pool: PagePool, headers: PagePool<Page>) -> Result<Self, PortError>
    where
        H::Rx: UnreadableRx,
    {
        let half = Half::new(hardware, queue, pool)?;
        half.reaches(&headers)?;
        let (mut reuse, mut reuse_heads, mut pages) = (Vec::new(), Vec::new(), VecDeque::new());
        reuse.try_reserve_exact(half.depth()).map_err(|_| PortError::NoMemory { queue })?;
        reuse_heads.try_reserve_exact(half.depth()).map_err(|_| PortError::NoMemory { queue })?;
        pages.try_reserve_exact(half.depth()).map_err(|_| PortError::NoMemory { queue })?;
        let mut ring = Ring { reuse, rest: None, pages, reuse_heads, half, headers };
        ring.alloc_rx_buffers();
        ring.half.started()?;
        Ok(ring)
    }

    /// A buffer to post: one of a frame that was copied, or half of a page.
    #[doc(alias = "hns3_alloc_buffer")]
    fn alloc_buffer(&mut self) -> Option<Frag> {
        if let Some(buffer) = self.reuse.pop() {
            self.half.stats.reused += 1;
            return Some(buffer);
        }
        let mut buffer = self.rest.take().or_else(|| self.alloc_page())?;
        self.rest = buffer.split_off(BUF_SIZE).filter(|rest| rest.len() >= BUF_SIZE);
        Some(buffer)
    }

    /// A piece of memory to cut, and one more reference to it, which the ring keeps.
    fn alloc_page(&mut self) -> Option<Frag> {
        self.reuse_pages(LOOK_AT);
        let page = match page_pool_alloc_netmems(&mut self.half.pool) {
            Some(page) => page,
            None => {
                self.reuse_pages(self.pages.len());
                page_pool_alloc_netmems(&mut self.half.pool)?
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

    /// A header buffer to post.
    fn alloc_head(&mut self) -> Option<Frag<Page>> {
        self.reuse_heads.pop().or_else(|| page_pool_alloc_frag(&mut self.headers, HEAD_SIZE))
    }

    /// Posts buffers until the ring is full, or a pool has no more.
    #[doc(alias = "hns3_nic_alloc_rx_buffers")]
    fn alloc_rx_buffers(&mut self) {
        let mut posted = 0;
        while self.half.has_room() {
            let Some(header) = self.alloc_head() else {
                self.half.stats.rx.alloc_failed += 1;
                break;
            };
            let Some(buffer) = self.alloc_buffer() else {
                self.half.stats.rx.alloc_failed += 1;
                self.reuse_head(header);
                break;
            };
            if let Err(back) = self.half.post(buffer, Some(header)) {
                self.half.pool.recycle_frag(back.payload);
                if let Some(header) = back.header {
                    self.headers.recycle_frag(header);
                }
                break;
            }
            posted += 1;
        }
        self.half.kick(posted);
    }

    /// Keeps the buffer of a frame that was copied. One of the reserve that reclaim lives on is put, and leaves the pool.
    #[doc(alias = "hns3_reuse_buffer")]
    fn reuse_buffer(&mut self, buffer: Frag) {
        if self.reuse.len() == self.reuse.capacity() || netmem_is_pfmemalloc(buffer.borrow()) {
            self.half.pool.recycle_frag(buffer);
        } else {
            self.reuse.push(buffer);
        }
    }

    /// The same for a header buffer.
    fn reuse_head(&mut self, header: Frag<Page>) {
        if self.reuse_heads.len() == self.reuse_heads.capacity() || netmem_is_pfmemalloc(header.borrow().page().into())
        {
            self.headers.recycle_frag(header);
        } else {
            self.reuse_heads.push(header);
        }
    }

    /// The first buffer of a frame whose headers were split off: they are copied, and with them a short payload where that
    /// can be read.
    fn alloc_skb_split(&mut self, header: Received<Page>, buffer: Received) -> Option<Skb> {
        let mut linear = [0; RX_HEAD_SIZE as usize];
        let (head, whole) = (header.len() as usize, (header.len() + buffer.len()) as usize);
        let (header, ()) = self.headers.read_and_reuse(header, |bytes| linear[..head].copy_from_slice(bytes)).ok()?;
        self.reuse_head(header);
        if whole <= linear.len() && !page_pool_is_unreadable(&self.half.pool) {
            let copy = |bytes: Option<&[u8]>| bytes.map(|bytes| linear[head..whole].copy_from_slice(bytes));
            let (buffer, copied) = self.half.pool.read_and_reuse(buffer, copy).ok()?;
            self.reuse_buffer(buffer);
            self.half.stats.copied += 1;
            return copied.and_then(|()| Skb::copy_from(&linear[..whole]));
        }
        let skb = Skb::copy_from(&linear[..head])?;
        self.add_frag(skb, buffer)
    }

    /// The first buffer of a frame: a short one is copied, of a longer one the headers are. One that was not split is
    /// lost where its headers cannot be read.
    #[doc(alias = "hns3_alloc_skb")]
    #[doc(alias = "hns3_handle_rx_copybreak")]
    fn alloc_skb(&mut self, buffer: Received) -> Option<Skb> {
        if page_pool_is_unreadable(&self.half.pool) {
            self.half.stats.unreadable_head += 1;
            return None;
        }
        if buffer.len() <= RX_HEAD_SIZE {
            let copy = |bytes: Option<&[u8]>| bytes.and_then(Skb::copy_from);
            let (buffer, skb) = self.half.pool.read_and_reuse(buffer, copy).ok()?;
            self.reuse_buffer(buffer);
            self.half.stats.copied += 1;
            return skb;
        }
        let mut frag = page_pool_dma_sync_netmem_for_cpu(&self.half.pool, buffer).ok()?;
        let Some(bytes) = frag.bytes() else {
            self.half.stats.unreadable_head += 1;
            self.half.pool.recycle_frag(frag);
            return None;
        };
        let pull_len = eth_get_headlen(bytes, RX_HEAD_SIZE as usize);
        let Some(mut skb) = Skb::copy_from(&bytes[..pull_len]) else {
            self.half.pool.recycle_frag(frag);
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
        let frag = page_pool_dma_sync_netmem_for_cpu(&self.half.pool, buffer).ok()?;
        if frag.is_empty() {
            self.half.pool.recycle_frag(frag);
        } else if skb_add_rx_frag_netmem(&mut skb, frag, BUF_SIZE).is_err() {
            self.half.stats.rx.too_many_frags += 1;
            napi_consume_skb(&mut self.half.pool, skb);
            return None;
        }
        Some(skb)
    }

    /// One buffer that was received. Gives the packet when its frame ends here.
    #[doc(alias = "hns3_handle_rx_bd")]
    fn handle_rx_bd(&mut self, completed: Completed) -> Option<Skb> {
        let Completed { payload: buffer, header, end_of_frame, csum_ok } = completed;
        if !self.half.skip {
            let first = self.half.skb.is_none();
            self.half.skb = match (self.half.skb.take(), header) {
                (None, Some(header)) => self.alloc_skb_split(header, buffer),
                (None, None) => self.alloc_skb(buffer),
                (Some(skb), None) => self.add_frag(skb, buffer),
                (Some(skb), Some(_)) => {
                    self.half.stats.rx.bad_length += 1;
                    napi_consume_skb(&mut self.half.pool, skb);
                    None
                }
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
        self.handle_rx_bd(completed)
    }

    fn refill(&mut self) {
        self.alloc_rx_buffers();
    }

    fn drop_kept(&mut self) {
        self.reuse.clear();
        self.rest = None;
        self.pages.clear();
        self.reuse_heads.clear();
    }
}

impl<H: Hardware> fmt::Debug for Ring<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("ring", self.half.ring()).field("reuse", &self.reuse.len()).finish()
    }
}
