//! [`Napi`]: who may touch the pools, and when.

use crate::alloc::Vec;
use crate::assert::assert_not_impl_any;
use crate::backend::{KernelNapi, Packet};
use crate::memory::{Kind, Page};
use crate::page_pool::{Frag, PagePool};
use crate::skb::Skb;
use core::fmt;
use core::marker::PhantomData;

/// What one RX queue receives into.
///
/// The headers' pool is a `PagePool<Page>`, so it cannot be given device memory (rule P2); the payload's takes either.
///
/// It lends its pools. A poll lends `&mut RxMemory`, so code inside a poll cannot take a pool out of its NAPI. It can exchange a
/// pool for another one, which is as exclusive as the first.
#[derive(Debug)]
pub struct RxMemory {
    payload: PagePool,
    headers: Option<PagePool<Page>>,
}

impl RxMemory {
    /// Makes the memory of a queue of two pools: one for payload, and one for headers if they are split off.
    pub fn new(payload: PagePool, headers: Option<PagePool<Page>>) -> Self {
        RxMemory { payload, headers }
    }

    /// Lends the pool that payload comes from; whole frames, when headers are not split off.
    #[inline]
    pub fn payload(&self) -> &PagePool {
        &self.payload
    }

    /// Lends the consumer side of the pool that payload comes from (rule N1).
    #[inline]
    pub fn payload_mut(&mut self) -> &mut PagePool {
        &mut self.payload
    }

    /// Lends the pool that headers come from; `None` when they are not split off.
    #[inline]
    pub fn headers(&self) -> Option<&PagePool<Page>> {
        self.headers.as_ref()
    }

    /// Lends the consumer side of the pool that headers come from (rule N1); `None` when they are not split off.
    #[inline]
    pub fn headers_mut(&mut self) -> Option<&mut PagePool<Page>> {
        self.headers.as_mut()
    }

    /// Takes the pools apart. A poll lends `&mut RxMemory`, so its pools cannot be taken from there.
    pub fn into_parts(self) -> (PagePool, Option<PagePool<Page>>) {
        (self.payload, self.headers)
    }

    fn link(&mut self, napi: KernelNapi) {
        self.payload.link(napi);
        self.headers.iter_mut().for_each(|headers| headers.link(napi));
    }

    fn unlink(&mut self) {
        self.payload.unlink();
        self.headers.iter_mut().for_each(PagePool::unlink);
    }
}

/// Owner of the pools of one or more RX queues: `struct napi_struct`.
///
/// It has a slot for each queue. That the memory of a queue is in a slot *is* what C calls direct recycling enabled:
/// only what is in here is lent to a poll. Taken out by value ([`detach`](Self::detach)) it is no NAPI's, and handles
/// return through the ring. Nothing else has to be told.
///
/// Outside a poll it shows the pools as `&`, which is enough for statistics. Inside, [`Poll`] lends them as `&mut`:
/// allocating and direct recycling need that, so they do not compile elsewhere (rule N1), and two threads cannot both
/// have it (rule N2). There is no flag and no "are we in softirq" to get wrong.
///
/// ```
/// use netmem::{mm::Zone, netdev::{Napi, RxMemory}, page_pool::{AnyProvider, PagePool, PagePoolParams}};
/// use netmem::provider::PageProvider;
///
/// let provider = AnyProvider::from(PageProvider::new(Zone::new(64)?));
/// let payload = PagePool::new(PagePoolParams::default(), provider)?;
/// let mut napi = Napi::new(vec![RxMemory::new(payload, None)]);
///
/// let memory = napi.poll(64, |poll| poll.memory(0)?.payload_mut().alloc()).expect("pages are free");
/// assert!(napi.poll(0, |poll| poll.memory(0).is_none()), "budget 0 lends no receive side");
/// napi.poll(64, |poll| poll.memory(0).unwrap().payload_mut().recycle_direct(memory));
/// assert_eq!(napi.memory(0).unwrap().payload().stats().recycle_cached, 1);
///
/// // Taken out, the memory is no NAPI's.
/// let memory = napi.detach(0).expect("it is there");
/// assert!(napi.poll(64, |poll| poll.memory(0).is_none()));
/// assert_eq!(napi.attach(memory).expect("there is room"), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Napi {
    slots: Vec<Option<RxMemory>>,
    enabled: bool,
    kernel: KernelNapi,
}

assert_not_impl_any!(Napi: Clone, Copy);

impl Napi {
    /// A NAPI for queues with this memory, numbered from 0. It is enabled.
    pub fn new(memory: Vec<RxMemory>) -> Self {
        Self::of_kernel(KernelNapi::default(), memory)
    }

    /// A NAPI for which one of the kernel's polls. The kernel recycles directly into its pools whatever is freed in such a poll.
    #[doc(alias = "page_pool_enable_direct_recycling")]
    pub fn of_kernel(kernel: KernelNapi, mut memory: Vec<RxMemory>) -> Self {
        memory.iter_mut().for_each(|memory| memory.link(kernel));
        Napi { slots: memory.into_iter().map(Some).collect(), enabled: true, kernel }
    }

    /// Takes in the memory of a queue, and gives the queue's number: the first that is free.
    ///
    /// # Errors
    ///
    /// The memory, when there is no memory to note it.
    #[doc(alias = "page_pool_enable_direct_recycling")]
    pub fn attach(&mut self, mut memory: RxMemory) -> Result<usize, RxMemory> {
        let free = self.slots.iter().position(Option::is_none);
        if free.is_none() && self.slots.try_reserve(1).is_err() {
            return Err(memory);
        }
        memory.link(self.kernel);
        match free {
            Some(queue) => self.slots[queue] = Some(memory),
            None => self.slots.push(Some(memory)),
        }
        Ok(free.unwrap_or(self.slots.len() - 1))
    }

    /// Gives the memory of a queue out of hand, and frees its number. `None` when the queue has none.
    ///
    /// From here on nothing is recycled into it directly: the one who has it by value may drop it, or attach it again.
    #[doc(alias = "page_pool_disable_direct_recycling")]
    pub fn detach(&mut self, queue: usize) -> Option<RxMemory> {
        let mut memory = self.slots.get_mut(queue)?.take()?;
        memory.unlink();
        Some(memory)
    }

    /// Gives a queue other memory, and gives what it had.
    ///
    /// # Errors
    ///
    /// The memory, when no queue ever had that number.
    pub fn replace(&mut self, queue: usize, mut memory: RxMemory) -> Result<Option<RxMemory>, RxMemory> {
        let Some(slot) = self.slots.get_mut(queue) else { return Err(memory) };
        let mut old = slot.take();
        old.iter_mut().for_each(RxMemory::unlink);
        memory.link(self.kernel);
        *slot = Some(memory);
        Ok(old)
    }

    /// Lets polls have the memory. A new one does.
    #[doc(alias = "napi_enable")]
    pub fn start(&mut self) {
        self.enabled = true;
    }

    /// Lends nothing from here on: a poll sees a budget of 0. A poll that runs has `&mut Napi`, so there is none to wait
    /// for, as C must.
    #[doc(alias = "napi_disable")]
    pub fn stop(&mut self) {
        self.enabled = false;
    }

    /// Whether polls may have the memory.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The memory of a queue, to look at; `None` when it has none.
    pub fn memory(&self, queue: usize) -> Option<&RxMemory> {
        self.slots.get(queue)?.as_ref()
    }

    /// How many slots there are for queues, detached ones included.
    pub fn queues(&self) -> usize {
        self.slots.len()
    }

    /// Runs a poll with the consumer side of every pool in hand, and gives what `f` gives.
    ///
    /// With a budget of 0, as netpoll asks, possibly in an interrupt, it lends no receive side (rule N3), and neither does
    /// one that is [stopped](Self::stop).
    #[doc(alias = "napi_poll")]
    pub fn poll<R>(&mut self, budget: u32, f: impl FnOnce(&mut Poll<'_>) -> R) -> R {
        let budget = if self.enabled { budget } else { 0 };
        f(&mut Poll { budget, slots: &mut self.slots, _here: PhantomData })
    }
}

/// The consumer side of a NAPI's pools, for the length of one poll.
///
/// It does not leave the thread that polls, and what it lends is exclusive (rule N2).
pub struct Poll<'n> {
    budget: u32,
    slots: &'n mut [Option<RxMemory>],
    _here: PhantomData<*mut ()>,
}

assert_not_impl_any!(Poll<'static>: Send, Sync, Clone, Copy, Default);

impl Poll<'_> {
    /// How many packets may be received.
    pub fn budget(&self) -> u32 {
        self.budget
    }

    /// The memory of a queue, to allocate from and recycle into; `None` when it has none, or the budget is 0.
    pub fn memory(&mut self, queue: usize) -> Option<&mut RxMemory> {
        if self.budget == 0 {
            return None;
        }
        self.slots.get_mut(queue)?.as_mut()
    }

    /// Drops a packet, and recycles what is of this NAPI's pools directly.
    ///
    /// What is not returns to its own pool, as by a plain drop; with a budget of 0 all of it does.
    #[doc(alias = "napi_consume_skb")]
    #[doc(alias = "skb_release_data")]
    pub fn recycle(&mut self, mut skb: Skb) {
        if self.budget != 0 {
            skb.0.recycle(|frag| self.recycle_frag(frag));
        }
    }

    /// Recycles a frag into the pool it is of, if that is one of these; else drops it. With a budget of 0 it drops it.
    #[doc(alias = "xdp_return_frame_rx_napi")]
    #[doc(alias = "skb_free_frag")]
    pub fn recycle_frag<K: Kind>(&mut self, frag: Frag<K>) {
        if self.budget == 0 {
            return;
        }
        let pool = frag.borrow().pp();
        for memory in self.slots.iter_mut().flatten() {
            if pool == Some(memory.payload.id()) {
                return memory.payload.recycle_frag(frag);
            }
            if let Some(headers) = memory.headers.as_mut().filter(|headers| pool == Some(headers.id())) {
                return headers.recycle_frag(frag);
            }
        }
    }
}

impl fmt::Debug for Poll<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poll").field("budget", &self.budget).field("queues", &self.slots.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::Zone;
    use crate::page_pool::{AnyProvider, PagePoolParams};
    use crate::provider::PageProvider;

    fn memory(zone: &Zone) -> RxMemory {
        let provider = AnyProvider::from(PageProvider::new(zone.clone()));
        RxMemory::new(PagePool::new(PagePoolParams::default(), provider).unwrap(), None)
    }

    #[test]
    fn a_stopped_napi_lends_and_recycles_nothing_directly() {
        let zone = Zone::new(64).unwrap();
        let mut napi = Napi::new(crate::alloc::vec![memory(&zone)]);
        let frag = napi.poll(1, |poll| poll.memory(0)?.payload.alloc_frag(64)).unwrap();
        napi.stop();
        assert!(napi.poll(1, |poll| poll.memory(0).is_none() && poll.budget() == 0));
        napi.poll(1, |poll| poll.recycle_frag(frag));
        assert_eq!(napi.memory(0).unwrap().payload().stats().recycle_cached, 0);
        napi.start();
        assert!(napi.poll(1, |poll| poll.memory(0).is_some()));
    }

    #[test]
    fn a_frag_of_memory_that_was_taken_out_returns_through_its_ring() {
        let zone = Zone::new(64).unwrap();
        let mut napi = Napi::new(crate::alloc::vec![memory(&zone), memory(&zone)]);
        let frag = napi.poll(1, |poll| poll.memory(1)?.payload.alloc_frag(4096)).unwrap();
        let out = napi.detach(1).unwrap();
        assert!(napi.detach(1).is_none() && napi.memory(1).is_none());
        napi.poll(1, |poll| poll.recycle_frag(frag));
        assert_eq!(out.payload.stats().recycle_cached, 0);
        assert_eq!(napi.attach(out).unwrap(), 1, "the number that is free");
        assert_eq!(napi.attach(memory(&zone)).unwrap(), 2);
        assert!(napi.replace(3, memory(&zone)).is_err());
        assert!(napi.replace(2, memory(&zone)).unwrap().is_some());
        drop(napi);
        assert_eq!(zone.free_frames(), 64);
    }
}
