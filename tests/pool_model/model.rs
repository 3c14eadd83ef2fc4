//! The reference: a page pool after net/core/page_pool.c of Linux 7.3, in plain vectors and counters.
//!
//! Where the crate differs on purpose, the line says so ("Here:").

use netmem::page_pool::{Batch, PagePoolParams, Stats};
use std::collections::VecDeque;

/// How many references a page that is cut into fragments has.
pub(crate) const BIAS: isize = isize::MAX >> 1;
/// Blocks of each of the two nodes.
pub(crate) const BLOCKS: usize = 400;
/// net_iovs of the area.
pub(crate) const NIOVS: usize = 100;
/// No more handles than this are held at once.
pub(crate) const SLOTS: usize = 600;
/// A batch.
pub(crate) const BATCH: usize = Batch::LEN;
const CACHE: usize = PagePoolParams::CACHE;
const REFILL: usize = PagePoolParams::REFILL;

/// A piece of memory, from when it enters a pool until it leaves it: pieces have numbers in the order they come.
pub(crate) type Id = usize;

/// What one pool is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolConfig {
    pub(crate) pool_size: u32,
    /// Whether it maps, and whether it also syncs.
    pub(crate) dma: (bool, bool),
    pub(crate) offset: u32,
    pub(crate) max_len: u32,
    pub(crate) nid: Option<i32>,
    pub(crate) iov: bool,
    pub(crate) order: u32,
}

/// What everything is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(crate) pools: [PoolConfig; 2],
    /// Of pages.
    pub(crate) order: u32,
    pub(crate) device_syncs: bool,
    /// Whether handles are collected by the hundred and then given back, so that caches overflow.
    pub(crate) hoards: bool,
}

/// What the hooks are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event<Memory> {
    Hold { pool: usize, memory: Memory, held: u32 },
    Release { pool: usize, memory: Memory, released: u32 },
    End { pool: usize, inflight: i32, held: u32, released: u32 },
    Nid { pool: usize, nid: i32 },
}

impl<Memory: Copy> Event<Memory> {
    /// What was released, and by which pool.
    pub(crate) fn released(&self, word: impl Fn(Memory) -> usize) -> Option<(usize, usize)> {
        match self {
            Event::Release { pool, memory, .. } => Some((*pool, word(*memory))),
            _ => None,
        }
    }

    pub(crate) fn pool(&self) -> usize {
        match self {
            Event::Hold { pool, .. }
            | Event::Release { pool, .. }
            | Event::End { pool, .. }
            | Event::Nid { pool, .. } => *pool,
        }
    }
}

/// A handle that the test holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Netmem(Id),
    Shares(Id, isize),
    Frag(Id, u32, u32),
    /// A reference of mm's.
    Mm(Id),
}

impl Slot {
    pub(crate) fn id(self) -> Id {
        match self {
            Slot::Netmem(id) | Slot::Shares(id, _) | Slot::Frag(id, ..) | Slot::Mm(id) => id,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(crate) pool: usize,
    pub(crate) refs: isize,
    /// `_refcount`.
    pub(crate) mm: i32,
    pub(crate) pfmemalloc: bool,
    pub(crate) node: usize,
    pub(crate) mapped: bool,
    pub(crate) iov: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) config: PoolConfig,
    pub(crate) alive: bool,
    pub(crate) observed: bool,
    pub(crate) cache: Vec<Id>,
    pub(crate) ring: VecDeque<Id>,
    pub(crate) ring_size: usize,
    /// Where in the array of the ring the next word is taken, and the first slot that is taken and not cleared.
    consumer: (usize, usize),
    pub(crate) stats: Stats,
    pub(crate) held: u32,
    pub(crate) released: u32,
    nid: Option<i32>,
    /// The page, how many fragments were cut, and where the next one starts.
    pub(crate) frag: Option<(Id, isize, u32)>,
    max_size: u32,
    dma_sync: bool,
}

impl Pool {
    // __ptr_ring_consume, __ptr_ring_discard_one, and the batch of __ptr_ring_set_size
    fn consume(&mut self) -> Option<Id> {
        let id = self.ring.pop_front()?;
        let batch = if 16 > self.ring_size / 2 { 1 } else { 16 };
        let (head, tail) = &mut self.consumer;
        *head += 1;
        if *head - *tail >= batch || *head >= self.ring_size {
            *tail = *head;
        }
        if *head >= self.ring_size {
            (*head, *tail) = (0, 0);
        }
        Some(id)
    }

    pub(crate) fn inflight(&self) -> usize {
        (self.held - self.released) as usize
    }
}

/// What a step does, with everything in it that was chosen: the test does the same to the crate's pool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Nothing,
    Create { pool: usize, place: usize },
    Shutdown { place: usize, observe: bool },
    Unobserve { pool: usize },
    Alloc { place: usize, got: bool },
    AllocFrag { place: usize, size: u32, got: bool },
    AllocAtLeast { place: usize, size: u32, got: bool },
    AllocBulk { place: usize, had: usize, got: usize },
    Get { slot: usize },
    GetPage { slot: usize },
    Share { slot: usize, n: isize, ok: bool },
    Take { slot: usize, ok: bool },
    IntoFrag { slot: usize, ok: bool },
    Split { slot: usize, at: u32, ok: bool },
    Merge { slot: usize, next: usize, ok: bool },
    Put { slot: usize, thread: bool },
    Recycle { slot: usize, place: usize, sync_len: Option<u32> },
    PutBulk { slots: Vec<usize>, thread: bool },
    RecycleBulk { slots: Vec<usize>, place: usize },
    NidChanged { place: usize, nid: i32 },
    Serve { node: usize },
    Allow { pages: usize },
    Reserve { node: usize, frames: usize },
    Refuse { every: u64, until: u64 },
}

#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) config: Config,
    /// All that ever were.
    pub(crate) pools: Vec<Pool>,
    /// Those that are alive, by place.
    pub(crate) places: [Option<usize>; 2],
    pub(crate) memory: Vec<Memory>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) free_blocks: [usize; 2],
    pub(crate) free_iovs: usize,
    node: usize,
    allowance: usize,
    reserve: [usize; 2],
    refuse: (u64, u64),
    map_number: u64,
    pub(crate) maps: u64,
    pub(crate) unmaps: u64,
    /// Which way a program that hoards goes.
    pub(crate) giving_back: bool,
    /// Of the last step.
    pub(crate) step: Step,
    pub(crate) events: Vec<Event<Id>>,
    pub(crate) syncs: Vec<(usize, usize)>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.config)
    }
}

/// Whether a device that refuses every `every`th mapping of the next `until` refuses this one.
pub(crate) fn refused(every: u64, until: u64, number: u64) -> bool {
    number < until && number % every == 0
}

impl Model {
    pub(crate) fn new(config: Config) -> Self {
        let mut model = Model {
            config,
            pools: Vec::new(),
            places: [None; 2],
            memory: Vec::new(),
            slots: Vec::new(),
            free_blocks: [BLOCKS; 2],
            free_iovs: NIOVS,
            node: 0,
            allowance: usize::MAX,
            reserve: [0; 2],
            refuse: (1, 0),
            map_number: 0,
            // The area.
            maps: 1,
            unmaps: 0,
            giving_back: false,
            step: Step::Nothing,
            events: Vec::new(),
            syncs: Vec::new(),
        };
        for place in 0..2 {
            model.create(place, config.pools[place]);
        }
        model
    }

    pub(crate) fn begin(&mut self) {
        self.giving_back = if self.giving_back { self.slots.len() > 30 } else { self.slots.len() > SLOTS - 100 };
        self.step = Step::Nothing;
        self.events.clear();
        self.syncs.clear();
    }

    pub(crate) fn create(&mut self, place: usize, mut config: PoolConfig) {
        if config.iov {
            (config.order, config.dma) = (0, (true, true));
        } else {
            config.order = self.config.order;
        }
        // Here: who maps for a device that needs syncs must sync.
        config.dma.1 |= config.dma.0 && self.config.device_syncs;
        if config.dma != (true, true) {
            (config.offset, config.max_len) = (0, 0);
        }
        let ring_size = if config.pool_size == 0 { 1024 } else { config.pool_size as usize };
        self.pools.push(Pool {
            config,
            alive: true,
            observed: false,
            cache: Vec::new(),
            ring: VecDeque::new(),
            ring_size,
            consumer: (0, 0),
            stats: Stats::default(),
            held: 0,
            released: 0,
            nid: config.nid,
            frag: None,
            max_size: 4096 << config.order,
            dma_sync: config.dma == (true, true) && self.config.device_syncs,
        });
        self.places[place] = Some(self.pools.len() - 1);
        self.step = Step::Create { pool: self.pools.len() - 1, place };
    }

    // page_pool_dma_sync_for_device
    fn sync(&mut self, p: usize, len: u32) {
        let pool = &self.pools[p];
        if pool.dma_sync {
            self.syncs.push((pool.config.offset as usize, len.min(pool.config.max_len) as usize));
        }
    }

    // put_page
    fn put_page(&mut self, id: Id) {
        let memory = &mut self.memory[id];
        memory.mm -= 1;
        if memory.mm == 0 {
            self.free_blocks[memory.node] += 1;
        }
    }

    // page_pool_return_netmem
    fn return_netmem(&mut self, p: usize, id: Id) {
        let (pool, memory) = (&mut self.pools[p], &mut self.memory[id]);
        if memory.mapped {
            memory.mapped = false;
            self.unmaps += 1;
        }
        pool.released += 1;
        self.events.push(Event::Release { pool: p, memory: id, released: pool.released });
        if memory.iov {
            memory.mm = 0;
            self.free_iovs += 1;
        } else {
            self.put_page(id);
        }
        self.end(p);
    }

    /// The trace point of page_pool_release(): here once at shutdown if memory is out, and once when nothing is, and
    /// nobody looks on.
    fn end(&mut self, p: usize) {
        let pool = &self.pools[p];
        if !pool.alive && !pool.observed && pool.inflight() == 0 {
            self.events.push(Event::End { pool: p, inflight: 0, held: pool.held, released: pool.released });
        }
    }

    // __page_pool_page_can_be_recycled
    fn can_be_recycled(&self, id: Id) -> bool {
        let memory = &self.memory[id];
        memory.iov || (memory.mm == 1 && !memory.pfmemalloc)
    }

    // page_pool_unref_netmem
    fn unref(&mut self, id: Id, n: isize) -> bool {
        let memory = &mut self.memory[id];
        memory.refs -= n;
        assert!(memory.refs >= 0, "the model put what it did not have");
        if memory.refs == 0 {
            memory.refs = 1;
            return true;
        }
        false
    }

    // page_pool_refill_alloc_cache
    fn refill(&mut self, p: usize) -> Option<Id> {
        if self.pools[p].ring.is_empty() {
            self.pools[p].stats.alloc_empty += 1;
            return None;
        }
        while let Some(id) = self.pools[p].consume() {
            let memory = &self.memory[id];
            // Here: without a preference every node will do.
            if memory.iov || self.pools[p].nid.is_none_or(|nid| memory.node as i32 == nid) {
                self.pools[p].cache.push(id);
            } else {
                self.return_netmem(p, id);
                self.pools[p].stats.alloc_waive += 1;
                break;
            }
            if self.pools[p].cache.len() == REFILL {
                break;
            }
        }
        // Here: what was put is synced now, and all of it.
        for _ in 0..self.pools[p].cache.len() {
            self.sync(p, u32::MAX);
        }
        let id = self.pools[p].cache.pop()?;
        self.pools[p].stats.alloc_refill += 1;
        Some(id)
    }

    // page_pool_set_pp_info, and the counting around it
    fn hold(&mut self, p: usize, memory: Memory) {
        let id = self.memory.len();
        self.memory.push(memory);
        let pool = &mut self.pools[p];
        pool.held += 1;
        self.events.push(Event::Hold { pool: p, memory: id, held: pool.held });
        pool.cache.push(id);
        self.sync(p, u32::MAX);
    }

    // alloc_pages_node, and page_pool_dma_map
    fn alloc_page(&mut self, p: usize) -> bool {
        let node = self.node;
        if self.allowance == 0 || self.free_blocks[node] == 0 {
            return false;
        }
        self.free_blocks[node] -= 1;
        let pfmemalloc = self.free_blocks[node] << self.config.order < self.reserve[node];
        let mapped = self.pools[p].config.dma.0;
        if mapped {
            let number = self.map_number;
            self.map_number += 1;
            if refused(self.refuse.0, self.refuse.1, number) {
                self.free_blocks[node] += 1;
                return true;
            }
            self.maps += 1;
        }
        self.allowance -= 1;
        self.hold(p, Memory { pool: p, refs: 1, mm: 1, pfmemalloc, node, mapped, iov: false });
        true
    }

    // __page_pool_alloc_netmems_slow, or the provider's alloc_netmems
    fn slow(&mut self, p: usize) -> Option<Id> {
        let PoolConfig { iov, order, .. } = self.pools[p].config;
        if iov {
            for _ in 0..REFILL.min(self.free_iovs) {
                self.free_iovs -= 1;
                self.hold(p, Memory { pool: p, refs: 1, mm: 1, pfmemalloc: false, node: 0, mapped: false, iov });
            }
            return self.pools[p].cache.pop();
        }
        for _ in 0..if order == 0 { REFILL } else { 1 } {
            if !self.alloc_page(p) {
                break;
            }
        }
        let pool = &mut self.pools[p];
        let id = pool.cache.pop()?;
        *(if order == 0 { &mut pool.stats.alloc_slow } else { &mut pool.stats.alloc_slow_high_order }) += 1;
        Some(id)
    }

    // page_pool_alloc_netmems
    fn alloc_netmems(&mut self, p: usize) -> Option<Id> {
        if let Some(id) = self.pools[p].cache.pop() {
            self.pools[p].stats.alloc_fast += 1;
            return Some(id);
        }
        self.refill(p).or_else(|| self.slow(p))
    }

    // page_pool_put_unrefed_netmem; `direct` is the size to sync
    fn put_unrefed(&mut self, id: Id, direct: Option<u32>) {
        let p = self.memory[id].pool;
        if self.can_stay(p, id, direct) && !self.recycle_in_ring(p, id) {
            self.pools[p].stats.recycle_ring_full += 1;
            self.return_netmem(p, id);
        }
    }

    // __page_pool_put_page: whether it is for the ring
    fn can_stay(&mut self, p: usize, id: Id, direct: Option<u32>) -> bool {
        if !self.can_be_recycled(id) {
            self.pools[p].stats.recycle_released_refcnt += 1;
            self.return_netmem(p, id);
            return false;
        }
        if let Some(len) = direct {
            self.sync(p, len);
            let pool = &mut self.pools[p];
            if pool.cache.len() < CACHE {
                pool.cache.push(id);
                pool.stats.recycle_cached += 1;
                return false;
            }
            pool.stats.recycle_cache_full += 1;
        }
        true
    }

    // page_pool_recycle_in_ring
    fn recycle_in_ring(&mut self, p: usize, id: Id) -> bool {
        let pool = &mut self.pools[p];
        // Here: the ring of a pool that is gone takes nothing.
        let room = pool.alive && pool.ring.len() + pool.consumer.0 - pool.consumer.1 < pool.ring_size;
        if room {
            pool.ring.push_back(id);
            pool.stats.recycle_ring += 1;
        }
        room
    }

    // page_pool_put_netmem
    fn put(&mut self, id: Id, direct: Option<(usize, u32)>) {
        if self.unref(id, 1) {
            self.put_unrefed(id, direct.filter(|direct| direct.0 == self.memory[id].pool).map(|direct| direct.1));
        }
    }

    // page_pool_put_netmem_bulk; `direct` is the pool in hand
    fn put_bulk(&mut self, ids: Vec<Id>, direct: Option<usize>) {
        let mut data: Vec<Id> = ids.into_iter().filter(|id| self.unref(*id, 1)).collect();
        while let Some(first) = data.first() {
            let p = self.memory[*first].pool;
            let (own, foreign): (Vec<_>, Vec<_>) = data.into_iter().partition(|id| self.memory[*id].pool == p);
            let direct = (direct == Some(p)).then_some(u32::MAX);
            let bulk: Vec<_> = own.into_iter().filter(|id| self.can_stay(p, *id, direct)).collect();
            // page_pool_recycle_ring_bulk
            let produced = bulk.iter().take_while(|id| self.recycle_in_ring(p, **id)).count();
            if produced < bulk.len() {
                self.pools[p].stats.recycle_ring_full += 1;
                bulk[produced..].iter().for_each(|id| self.return_netmem(p, *id));
            }
            data = foreign;
        }
    }

    // page_pool_drain_frag
    fn drain_frag(&mut self, p: usize) -> Option<Id> {
        let (id, users, _) = self.pools[p].frag.take()?;
        if !self.unref(id, BIAS - users) {
            return None;
        }
        if self.can_be_recycled(id) {
            self.sync(p, u32::MAX);
            return Some(id);
        }
        self.return_netmem(p, id);
        None
    }

    // page_pool_alloc_frag_netmem
    fn alloc_frag(&mut self, p: usize, size: u32) -> Option<(Id, u32)> {
        let max = self.pools[p].max_size;
        // Here: a fragment of nothing is refused.
        if size == 0 || size > max {
            return None;
        }
        let step = size.next_multiple_of(64);
        if let Some((id, users, offset)) = &mut self.pools[p].frag {
            if *offset + step <= max {
                let start = *offset;
                *users += 1;
                *offset += step;
                return Some((*id, start));
            }
        }
        if let Some((id, users, _)) = self.pools[p].frag {
            let unused = self.memory[id].refs == BIAS - users;
            if unused && self.can_be_recycled(id) && !self.pools[p].dma_sync {
                // Here: what the pool has of the count is not filled up each time; no other difference.
                self.pools[p].stats.recycle_cached += 1;
                self.pools[p].stats.alloc_fast += 1;
                self.pools[p].frag = Some((id, users + 1, step));
                return Some((id, 0));
            }
        }
        let id = match self.drain_frag(p) {
            Some(id) => {
                self.pools[p].stats.recycle_cached += 1;
                self.pools[p].stats.alloc_fast += 1;
                id
            }
            None => self.alloc_netmems(p)?,
        };
        self.pools[p].frag = Some((id, 1, step));
        self.memory[id].refs = BIAS;
        Some((id, 0))
    }

    // page_pool_alloc_netmem
    fn alloc_at_least(&mut self, p: usize, size: u32) -> Option<(Id, u32, u32)> {
        let max = self.pools[p].max_size;
        // Here: more than a piece has is refused, where Linux gives a piece.
        if size > max {
            return None;
        }
        if size << 1 > max {
            return self.alloc_netmems(p).map(|id| (id, 0, max));
        }
        let (id, offset) = self.alloc_frag(p, size)?;
        let (_, _, next) = self.pools[p].frag.as_mut().expect("it was just cut");
        if *next + size > max {
            *next = max;
            return Some((id, offset, max - offset));
        }
        Some((id, offset, size))
    }

    // page_pool_update_nid
    fn update_nid(&mut self, p: usize, nid: i32) {
        if self.pools[p].nid == Some(nid) {
            return;
        }
        self.events.push(Event::Nid { pool: p, nid });
        self.pools[p].nid = Some(nid);
        while let Some(id) = self.pools[p].cache.pop() {
            self.return_netmem(p, id);
        }
    }

    // page_pool_destroy
    fn destroy(&mut self, p: usize, observed: bool) {
        if let Some((id, users, _)) = self.pools[p].frag.take() {
            if self.unref(id, BIAS - users) {
                self.return_netmem(p, id);
            }
        }
        while let Some(id) = self.pools[p].cache.pop() {
            self.return_netmem(p, id);
        }
        while let Some(id) = self.pools[p].ring.pop_front() {
            self.return_netmem(p, id);
        }
        // page_pool_scrub
        for memory in self.memory.iter_mut().filter(|memory| memory.pool == p && memory.mapped) {
            memory.mapped = false;
            self.unmaps += 1;
        }
        let pool = &mut self.pools[p];
        (pool.alive, pool.observed) = (false, observed);
        if pool.inflight() != 0 {
            let (held, released) = (pool.held, pool.released);
            self.events.push(Event::End { pool: p, inflight: pool.inflight() as i32, held, released });
        }
        self.end(p);
    }

    /// Whether nobody else has the memory: what asking for its bytes needs.
    fn is_alone(&self, id: Id) -> bool {
        self.memory[id].refs == 1 && self.memory[id].mm == 1
    }

    fn room(&self) -> bool {
        self.slots.len() < SLOTS
    }

    pub(crate) fn idle(&self, p: usize) -> usize {
        let pool = &self.pools[p];
        let uncut = pool.frag.is_some_and(|(id, users, _)| self.memory[id].refs == BIAS - users);
        pool.cache.len() + pool.ring.len() + usize::from(uncut)
    }
}

/// The steps. Each is given what was drawn, chooses what it means in this state, and says in `step` what it did.
impl Model {
    /// The pool at a place, and its number.
    fn place(&self, draw: usize) -> Option<(usize, usize)> {
        let place = draw % 2;
        self.places[place].map(|p| (place, p))
    }

    /// A slot for which `wanted` holds, at or after the one that was drawn.
    fn slot(&self, draw: usize, wanted: impl Fn(Slot) -> bool) -> Option<usize> {
        let len = self.slots.len();
        (0..len).map(|i| (draw + i) % len).find(|i| wanted(self.slots[*i]))
    }

    pub(crate) fn step_alloc(&mut self, place: usize) -> Option<()> {
        let (place, p) = self.place(place).filter(|_| self.room())?;
        let got = self.alloc_netmems(p);
        self.slots.extend(got.map(Slot::Netmem));
        self.step = Step::Alloc { place, got: got.is_some() };
        Some(())
    }

    pub(crate) fn step_alloc_frag(&mut self, place: usize, size: u32) -> Option<()> {
        let (place, p) = self.place(place).filter(|_| self.room())?;
        let got = self.alloc_frag(p, size);
        self.slots.extend(got.map(|(id, offset)| Slot::Frag(id, offset, size)));
        self.step = Step::AllocFrag { place, size, got: got.is_some() };
        Some(())
    }

    pub(crate) fn step_alloc_at_least(&mut self, place: usize, size: u32) -> Option<()> {
        let (place, p) = self.place(place).filter(|_| self.room())?;
        let got = self.alloc_at_least(p, size);
        self.slots.extend(got.map(|(id, offset, len)| Slot::Frag(id, offset, len)));
        self.step = Step::AllocAtLeast { place, size, got: got.is_some() };
        Some(())
    }

    /// As many [`alloc_netmems`](Self::alloc_netmems); but what the cache has comes out from the bottom of a run, not
    /// from the top.
    pub(crate) fn step_alloc_bulk(&mut self, place: usize, room: usize) -> Option<()> {
        let (place, p) = self.place(place).filter(|_| self.room())?;
        let (had, mut got) = (BATCH - room, 0);
        while got < room {
            let run = self.pools[p].cache.len().min(room - got);
            if run == 0 {
                let Some(id) = self.refill(p).or_else(|| self.slow(p)) else { break };
                self.slots.push(Slot::Netmem(id));
                got += 1;
                continue;
            }
            let pool = &mut self.pools[p];
            let rest = pool.cache.len() - run;
            self.slots.extend(pool.cache.drain(rest..).map(Slot::Netmem));
            pool.stats.alloc_fast += run as u64;
            got += run;
        }
        self.step = Step::AllocBulk { place, had, got };
        Some(())
    }

    pub(crate) fn step_get(&mut self, slot: usize) -> Option<()> {
        let slot = self.slot(slot, |slot| matches!(slot, Slot::Netmem(_))).filter(|_| self.room())?;
        let id = self.slots[slot].id();
        self.memory[id].refs += 1;
        self.slots.push(Slot::Netmem(id));
        self.step = Step::Get { slot };
        Some(())
    }

    pub(crate) fn step_get_page(&mut self, slot: usize) -> Option<()> {
        let slot = self.slot(slot, |slot| !self.memory[slot.id()].iov && !matches!(slot, Slot::Shares(..)));
        let slot = slot.filter(|_| self.room())?;
        let id = self.slots[slot].id();
        self.memory[id].mm += 1;
        self.slots.push(Slot::Mm(id));
        self.step = Step::GetPage { slot };
        Some(())
    }

    pub(crate) fn step_share(&mut self, slot: usize, n: isize) -> Option<()> {
        let slot = self.slot(slot, |slot| matches!(slot, Slot::Netmem(_)))?;
        let id = self.slots[slot].id();
        let ok = n > 0 && self.is_alone(id);
        if ok {
            self.memory[id].refs = n;
            self.slots[slot] = Slot::Shares(id, n);
        }
        self.step = Step::Share { slot, n, ok };
        Some(())
    }

    pub(crate) fn step_take(&mut self, slot: usize) -> Option<()> {
        let slot = self.slot(slot, |slot| matches!(slot, Slot::Shares(..))).filter(|_| self.room())?;
        let Slot::Shares(id, left) = &mut self.slots[slot] else { return None };
        let (id, ok) = (*id, *left > 0);
        if ok {
            *left -= 1;
            self.slots.push(Slot::Netmem(id));
        }
        self.step = Step::Take { slot, ok };
        Some(())
    }

    pub(crate) fn step_into_frag(&mut self, slot: usize) -> Option<()> {
        let slot = self.slot(slot, |slot| matches!(slot, Slot::Netmem(_)))?;
        let id = self.slots[slot].id();
        let ok = self.is_alone(id);
        if ok {
            self.slots[slot] = Slot::Frag(id, 0, self.pools[self.memory[id].pool].max_size);
        }
        self.step = Step::IntoFrag { slot, ok };
        Some(())
    }

    pub(crate) fn step_split(&mut self, slot: usize, at: u32) -> Option<()> {
        let slot = self.slot(slot, |slot| matches!(slot, Slot::Frag(..))).filter(|_| self.room())?;
        let Slot::Frag(id, offset, len) = &mut self.slots[slot] else { return None };
        let (id, ok) = (*id, at <= *len);
        if ok {
            let tail = Slot::Frag(id, *offset + at, *len - at);
            *len = at;
            self.memory[id].refs += 1;
            self.slots.push(tail);
        }
        self.step = Step::Split { slot, at, ok };
        Some(())
    }

    pub(crate) fn step_merge(&mut self, slot: usize, next: usize) -> Option<()> {
        let slot = self.slot(slot, |slot| matches!(slot, Slot::Frag(..)))?;
        let Slot::Frag(id, offset, len) = self.slots[slot] else { return None };
        // Often one that fits; else any other.
        let fits = |other: Slot| matches!(other, Slot::Frag(at, start, _) if (at, start) == (id, offset + len));
        let next = (0..self.slots.len())
            .find(|i| *i != slot && fits(self.slots[*i]))
            .or_else(|| self.slot(next, |slot| matches!(slot, Slot::Frag(..))))
            .filter(|next| *next != slot)?;
        let Slot::Frag(_, _, more) = self.slots[next] else { return None };
        let ok = fits(self.slots[next]);
        if ok {
            self.slots[slot] = Slot::Frag(id, offset, len + more);
            self.slots.swap_remove(next);
            self.put(id, None);
        }
        self.step = Step::Merge { slot, next, ok };
        Some(())
    }

    pub(crate) fn step_put(&mut self, slot: usize, thread: bool) -> Option<()> {
        let slot = self.slot(slot, |_| true)?;
        self.put_slot(slot);
        self.step = Step::Put { slot, thread };
        Some(())
    }

    fn put_slot(&mut self, slot: usize) {
        match self.slots.swap_remove(slot) {
            Slot::Netmem(id) | Slot::Frag(id, ..) => self.put(id, None),
            Slot::Shares(_, 0) => {}
            Slot::Shares(id, left) => {
                if self.unref(id, left) {
                    self.put_unrefed(id, None);
                }
            }
            Slot::Mm(id) => self.put_page(id),
        }
    }

    pub(crate) fn step_recycle(&mut self, slot: usize, place: usize, sync_len: Option<u32>) -> Option<()> {
        let (place, p) = self.place(place)?;
        let slot = self.slot(slot, |slot| matches!(slot, Slot::Netmem(_) | Slot::Frag(..)))?;
        let sync_len = sync_len.filter(|_| matches!(self.slots[slot], Slot::Netmem(_)));
        let id = self.slots.swap_remove(slot).id();
        self.put(id, Some((p, sync_len.unwrap_or(u32::MAX))));
        self.step = Step::Recycle { slot, place, sync_len };
        Some(())
    }

    /// Up to `count` handles, in the order in which they are taken out of the slots.
    fn many(&mut self, slot: usize, count: usize) -> (Vec<usize>, Vec<Id>) {
        let (mut slots, mut ids) = (Vec::new(), Vec::new());
        while ids.len() < count.min(BATCH) {
            let Some(slot) = self.slot(slot, |slot| matches!(slot, Slot::Netmem(_))) else { break };
            slots.push(slot);
            ids.push(self.slots.swap_remove(slot).id());
        }
        (slots, ids)
    }

    pub(crate) fn step_put_bulk(&mut self, slot: usize, count: usize, thread: bool) -> Option<()> {
        let (slots, ids) = self.many(slot, count);
        self.put_bulk(ids, None);
        self.step = Step::PutBulk { slots, thread };
        Some(())
    }

    pub(crate) fn step_recycle_bulk(&mut self, slot: usize, count: usize, place: usize) -> Option<()> {
        let (place, p) = self.place(place)?;
        let (slots, ids) = self.many(slot, count);
        self.put_bulk(ids, Some(p));
        self.step = Step::RecycleBulk { slots, place };
        Some(())
    }

    pub(crate) fn step_nid_changed(&mut self, place: usize, nid: i32) -> Option<()> {
        let (place, p) = self.place(place)?;
        self.update_nid(p, nid);
        self.step = Step::NidChanged { place, nid };
        Some(())
    }

    pub(crate) fn step_serve(&mut self, node: usize) -> Option<()> {
        self.node = node % 2;
        self.step = Step::Serve { node: self.node };
        Some(())
    }

    pub(crate) fn step_allow(&mut self, pages: usize) -> Option<()> {
        self.allowance = pages;
        self.step = Step::Allow { pages };
        Some(())
    }

    pub(crate) fn step_reserve(&mut self, node: usize, frames: usize) -> Option<()> {
        let node = node % 2;
        self.reserve[node] = frames;
        self.step = Step::Reserve { node, frames };
        Some(())
    }

    pub(crate) fn step_refuse(&mut self, every: u64, until: u64) -> Option<()> {
        (self.refuse, self.map_number) = ((every, until), 0);
        self.step = Step::Refuse { every, until };
        Some(())
    }

    pub(crate) fn step_shutdown(&mut self, place: usize, observe: bool) -> Option<()> {
        let (place, p) = self.place(place)?;
        self.places[place] = None;
        self.destroy(p, observe);
        self.step = Step::Shutdown { place, observe };
        Some(())
    }

    pub(crate) fn step_unobserve(&mut self, draw: usize) -> Option<()> {
        let observed: Vec<_> = (0..self.pools.len()).filter(|p| self.pools[*p].observed).collect();
        let pool = *observed.get(draw % observed.len().max(1))?;
        self.pools[pool].observed = false;
        self.end(pool);
        self.step = Step::Unobserve { pool };
        Some(())
    }

    pub(crate) fn step_create(&mut self, place: usize, config: PoolConfig) -> Option<()> {
        let place = place % 2;
        if self.places[place].is_some() {
            return None;
        }
        self.create(place, config);
        Some(())
    }
}
