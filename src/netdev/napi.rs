//! [`Napi`]: who may touch the pools, and when.

use crate::assert::assert_not_impl_any;
use crate::memory::{Kind, Page};
use crate::page_pool::{Frag, PagePool};
use crate::skb::{Skb, SkbFrag};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

/// What one RX queue receives into.
///
/// The headers' pool is a `PagePool<Page>`, so it cannot be given device memory (rule P2); the payload's takes either.
#[derive(Debug)]
pub struct RxMemory {
    /// Where payload goes; whole frames, when headers are not split off.
    pub payload: PagePool,
    /// Where headers go; `None` when they are not split off.
    pub headers: Option<PagePool<Page>>,
}

/// Owner of the pools of one or more RX queues: `struct napi_struct`.
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
/// let mut napi = Napi::new(vec![RxMemory { payload, headers: None }]);
///
/// let memory = napi.poll(64, |poll| poll.memory(0)?.payload.alloc()).expect("pages are free");
/// assert!(napi.poll(0, |poll| poll.memory(0).is_none()), "budget 0 lends no receive side");
/// napi.poll(64, |poll| poll.memory(0).unwrap().payload.recycle_direct(memory));
/// assert_eq!(napi.memory(0).unwrap().payload.stats().recycle_cached, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Napi {
    memory: Vec<RxMemory>,
}

assert_not_impl_any!(Napi: Clone, Copy);

impl Napi {
    /// A NAPI for queues with this memory, numbered from 0.
    pub fn new(memory: Vec<RxMemory>) -> Self {
        Napi { memory }
    }

    /// The memory of a queue, to look at.
    pub fn memory(&self, queue: usize) -> Option<&RxMemory> {
        self.memory.get(queue)
    }

    /// How many queues it serves.
    pub fn queues(&self) -> usize {
        self.memory.len()
    }

    /// Runs a poll with the consumer side of every pool in hand, and gives what `f` gives.
    ///
    /// With a budget of 0, as netpoll asks, possibly in an interrupt, it lends no receive side (rule N3).
    #[doc(alias = "napi_poll")]
    pub fn poll<R>(&mut self, budget: u32, f: impl FnOnce(&mut Poll<'_>) -> R) -> R {
        f(&mut Poll { budget, memory: &mut self.memory, _here: PhantomData })
    }
}

/// The consumer side of a NAPI's pools, for the length of one poll.
///
/// It does not leave the thread that polls, and what it lends is exclusive (rule N2).
pub struct Poll<'n> {
    budget: u32,
    memory: &'n mut [RxMemory],
    _here: PhantomData<*mut ()>,
}

assert_not_impl_any!(Poll<'static>: Send, Sync, Clone, Copy, Default);

impl Poll<'_> {
    /// How many packets may be received.
    pub fn budget(&self) -> u32 {
        self.budget
    }

    /// The memory of a queue, to allocate from and recycle into; `None` when there is no such queue, or the budget is 0.
    pub fn memory(&mut self, queue: usize) -> Option<&mut RxMemory> {
        if self.budget == 0 {
            return None;
        }
        self.memory.get_mut(queue)
    }

    /// Drops a packet, and recycles what is of this NAPI's pools directly.
    ///
    /// What is not returns to its own pool, as by a plain drop; with a budget of 0 all of it does.
    #[doc(alias = "napi_consume_skb")]
    #[doc(alias = "skb_release_data")]
    pub fn recycle(&mut self, mut skb: Skb) {
        if self.budget == 0 {
            return;
        }
        if let Some(head) = skb.take_head() {
            self.recycle_frag(head);
        }
        for frag in skb.take_frags() {
            if let SkbFrag::Pool(frag) = frag {
                self.recycle_frag(frag);
            }
        }
    }

    /// Recycles a frag into the pool it is of, if that is one of these; else drops it.
    fn recycle_frag<K: Kind>(&mut self, frag: Frag<K>) {
        let pool = frag.netmem().pp();
        for memory in &mut *self.memory {
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
        f.debug_struct("Poll").field("budget", &self.budget).field("queues", &self.memory.len()).finish()
    }
}
