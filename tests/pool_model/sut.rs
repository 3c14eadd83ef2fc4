//! The system under test: the crate's pools, and what the test holds of them.

use super::model::{BIAS, Event, Id, Model, NIOVS, PoolConfig, Slot, Step, refused};
use netmem::mm::{PageRef, get_page, page_is_pfmemalloc, page_ref_count, page_to_nid, put_page};
use netmem::page_pool::{AnyProvider, Batch, InitCallback, PagePoolParams, PoolFlags, PoolHooks, PoolId, Shutdown};
use netmem::{Frag, Netmem, NetmemRef, PagePool, Shares};
use netmem_sim::dma::DmaBus;
use netmem_sim::kit::{Bank, Iovs, Watched};
use std::collections::HashMap;
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// Another thread. Each job is done when [`run`](Worker::run) returns, so that the order of things is known.
struct Worker {
    jobs: SyncSender<Job>,
    done: Receiver<()>,
}

impl Worker {
    fn new() -> Self {
        let (jobs, todo) = sync_channel::<Job>(1);
        let (tell, done) = sync_channel(1);
        std::thread::spawn(move || {
            for job in todo {
                job();
                if tell.send(()).is_err() {
                    return;
                }
            }
        });
        Worker { jobs, done }
    }

    fn run(&self, job: Job) {
        self.jobs.send(job).expect("the worker is there");
        self.done.recv().expect("the worker did the job");
    }
}

/// The hooks of one pool.
struct Log {
    pool: usize,
    events: Arc<Mutex<Vec<Event<usize>>>>,
}

impl Log {
    fn push(&self, event: Event<usize>) {
        self.events.lock().unwrap().push(event);
    }
}

fn word(memory: NetmemRef<'_>) -> usize {
    memory.as_raw().as_ptr().addr()
}

impl PoolHooks for Log {
    fn state_hold(&self, pool: PoolId, memory: NetmemRef<'_>, held: u32) {
        assert_eq!((memory.pp(), memory.pp_ref_count()), (Some(pool), 1));
        self.push(Event::Hold { pool: self.pool, memory: word(memory), held });
    }
    fn state_release(&self, pool: PoolId, memory: NetmemRef<'_>, released: u32) {
        assert_eq!((memory.pp(), memory.pp_ref_count()), (Some(pool), 1));
        self.push(Event::Release { pool: self.pool, memory: word(memory), released });
    }
    fn release(&self, _pool: PoolId, inflight: i32, held: u32, released: u32) {
        self.push(Event::End { pool: self.pool, inflight, held, released });
    }
    fn update_nid(&self, _pool: PoolId, nid: i32) {
        self.push(Event::Nid { pool: self.pool, nid });
    }
}

/// A frag, and what was written to both ends of it.
struct Tagged {
    frag: Frag,
    tag: [u8; 8],
}

impl Tagged {
    fn new(mut frag: Frag, tag: u64) -> Self {
        let tag = tag.to_le_bytes();
        if let Some(bytes) = frag.bytes_mut() {
            let end = bytes.len().min(8);
            bytes[..end].copy_from_slice(&tag[..end]);
            let start = bytes.len() - end;
            bytes[start..].copy_from_slice(&tag[..end]);
        }
        Tagged { frag, tag }
    }

    /// The frag, after a look whether somebody else wrote to it.
    fn open(self) -> Frag {
        if let Some(bytes) = self.frag.bytes() {
            let end = bytes.len().min(8);
            assert_eq!(bytes[bytes.len() - end..], self.tag[..end], "the end was overwritten");
            // What is shorter than two tags has been written twice.
            assert!(bytes.len() < 16 || bytes[..8] == self.tag, "the start was overwritten");
        }
        self.frag
    }
}

/// A handle.
enum Held {
    Netmem(Netmem),
    Shares(Shares),
    Frag(Tagged),
    Mm(PageRef),
    /// Somewhere else, for the length of a step.
    Moving,
}

impl Held {
    fn memory(&self) -> Option<NetmemRef<'_>> {
        match self {
            Held::Netmem(memory) => Some(memory.borrow()),
            Held::Frag(tagged) => Some(tagged.frag.borrow()),
            Held::Shares(_) | Held::Mm(_) | Held::Moving => None,
        }
    }

    /// The put.
    fn put(self) {
        match self {
            Held::Netmem(memory) => drop(memory),
            Held::Shares(shares) => drop(shares),
            Held::Frag(tagged) => drop(tagged.open()),
            Held::Mm(page) => put_page(page),
            Held::Moving => {}
        }
    }
}

pub(crate) struct Sut {
    device: Arc<Watched>,
    bank: Arc<Bank>,
    iovs: Arc<Iovs>,
    pools: [Option<PagePool>; 2],
    shutdowns: HashMap<usize, Shutdown>,
    slots: Vec<Held>,
    /// Where each piece is that is in a pool or was when last heard of.
    words: Vec<usize>,
    events: Arc<Mutex<Vec<Event<usize>>>>,
    inits: Arc<Mutex<u32>>,
    worker: Worker,
    tags: u64,
}

impl Sut {
    pub(crate) fn new(model: &Model) -> Self {
        let device = Watched::new(model.config.device_syncs);
        let iovs = Iovs::new(device.clone(), NIOVS);
        let bank = Bank::new(super::model::BLOCKS << model.config.order);
        let mut sut = Sut {
            device,
            bank,
            iovs,
            pools: [None, None],
            shutdowns: HashMap::new(),
            slots: Vec::new(),
            words: Vec::new(),
            events: Arc::default(),
            inits: Arc::default(),
            worker: Worker::new(),
            tags: 0,
        };
        for place in 0..2 {
            sut.create(place, place, model.pools[place].config);
        }
        sut
    }

    fn create(&mut self, pool: usize, place: usize, config: PoolConfig) {
        let PoolConfig { pool_size, dma, offset, max_len, nid, iov, order } = config;
        let mut flags = PoolFlags::empty();
        flags.set(PoolFlags::DMA_MAP, dma.0);
        flags.set(PoolFlags::DMA_SYNC_DEV, dma == (true, true));
        let inits = self.inits.clone();
        let init: InitCallback = Arc::new(move |_, _| *inits.lock().unwrap() += 1);
        let params = PagePoolParams {
            flags,
            order,
            pool_size,
            device: Some(self.device.clone()),
            offset,
            max_len,
            nid,
            hooks: Some(Arc::new(Log { pool, events: self.events.clone() })),
            init_callback: Some(init),
            ..Default::default()
        };
        let provider: AnyProvider = if iov { self.iovs.clone().into() } else { self.bank.clone().into() };
        self.pools[place] = Some(PagePool::new(params, provider).expect("the parameters fit together"));
    }

    fn pool(&mut self, place: usize) -> &mut PagePool {
        self.pools[place].as_mut().expect("the model says it is there")
    }

    fn tagged(&mut self, frag: Frag) -> Held {
        self.tags += 1;
        Held::Frag(Tagged::new(frag, self.tags.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    fn take(&mut self, slot: usize) -> Held {
        self.slots.swap_remove(slot)
    }

    fn netmem(&mut self, slot: usize) -> Netmem {
        match self.take(slot) {
            Held::Netmem(memory) => memory,
            _ => unreachable!("the model says it is a netmem"),
        }
    }

    fn frag(&mut self, slot: usize) -> Frag {
        match self.take(slot) {
            Held::Frag(tagged) => tagged.open(),
            _ => unreachable!("the model says it is a frag"),
        }
    }

    /// Puts a handle back where [`take`](Self::take) took it out.
    fn put_back(&mut self, slot: usize, held: Held) {
        self.slots.push(held);
        let last = self.slots.len() - 1;
        self.slots.swap(slot, last);
    }

    fn batch(&mut self, slots: &[usize]) -> Batch {
        let mut batch = Batch::new();
        for slot in slots {
            let memory = self.netmem(*slot);
            batch.push(memory).expect("the model takes 64");
        }
        batch
    }

    /// Does what the model did.
    pub(crate) fn apply(&mut self, model: &Model) {
        match model.step.clone() {
            Step::Nothing => {}
            Step::Create { pool, place } => self.create(pool, place, model.pools[pool].config),
            Step::Shutdown { place, observe } => {
                let pool = self.pools[place].take().expect("the model says it is there");
                if observe {
                    let number = model.pools.len();
                    let index = (0..number).find(|p| model.pools[*p].observed && !self.shutdowns.contains_key(p));
                    self.shutdowns.insert(index.expect("it is new"), pool.shutdown(Duration::ZERO));
                }
            }
            Step::Unobserve { pool } => drop(self.shutdowns.remove(&pool).expect("it was observed")),
            Step::Alloc { place, got } => {
                let memory = self.pool(place).alloc();
                assert_eq!(memory.is_some(), got, "alloc");
                self.slots.extend(memory.map(Held::Netmem));
            }
            Step::AllocFrag { place, size, got } => {
                let frag = self.pool(place).alloc_frag(size);
                assert_eq!(frag.is_some(), got, "alloc_frag");
                if let Some(frag) = frag {
                    let held = self.tagged(frag);
                    self.slots.push(held);
                }
            }
            Step::AllocAtLeast { place, size, got } => {
                let frag = self.pool(place).alloc_at_least(size);
                assert_eq!(frag.is_some(), got, "alloc_at_least");
                if let Some(frag) = frag {
                    let held = self.tagged(frag);
                    self.slots.push(held);
                }
            }
            Step::AllocBulk { place, had, got } => self.alloc_bulk(place, had, got),
            Step::Get { slot } => {
                let Held::Netmem(memory) = &self.slots[slot] else { unreachable!("the model says it is a netmem") };
                let second = memory.get();
                self.slots.push(Held::Netmem(second));
            }
            Step::GetPage { slot } => {
                let page = match &self.slots[slot] {
                    Held::Mm(page) => get_page(page),
                    held => get_page(held.memory().and_then(|memory| memory.backing().page()).expect("it is a page")),
                };
                self.slots.push(Held::Mm(page));
            }
            Step::Share { slot, n, ok } => {
                let held = match self.netmem(slot).share(n as usize) {
                    Ok(shares) => Held::Shares(shares),
                    Err(refused) => Held::Netmem(refused.back),
                };
                assert_eq!(matches!(held, Held::Shares(_)), ok, "share");
                self.put_back(slot, held);
            }
            Step::Take { slot, ok } => {
                let Held::Shares(shares) = &mut self.slots[slot] else { unreachable!("the model says it is shares") };
                let memory = shares.take();
                assert_eq!(memory.is_some(), ok, "take");
                self.slots.extend(memory.map(Held::Netmem));
            }
            Step::IntoFrag { slot, ok } => {
                let held = match self.netmem(slot).into_frag() {
                    Ok(frag) => self.tagged(frag),
                    Err(mut memory) => {
                        assert!(memory.bytes_mut().is_none());
                        Held::Netmem(memory)
                    }
                };
                assert_eq!(matches!(held, Held::Frag(_)), ok, "into_frag");
                self.put_back(slot, held);
            }
            Step::Split { slot, at, ok } => {
                let mut frag = self.frag(slot);
                let tail = frag.split_off(at);
                assert_eq!(tail.is_some(), ok, "split_off");
                let head = self.tagged(frag);
                self.put_back(slot, head);
                if let Some(tail) = tail {
                    let tail = self.tagged(tail);
                    self.slots.push(tail);
                }
            }
            Step::Merge { slot, next, ok } => {
                let mut frag = self.frag_in_place(slot);
                let rest = frag.try_merge(self.frag_in_place(next));
                assert_eq!(rest.is_ok(), ok, "try_merge");
                self.slots[slot] = self.tagged(frag);
                match rest {
                    Ok(()) => drop(self.slots.swap_remove(next)),
                    Err(rest) => self.slots[next] = self.tagged(rest),
                }
            }
            Step::Put { slot, thread } => {
                let held = self.take(slot);
                if thread { self.worker.run(Box::new(move || held.put())) } else { held.put() }
            }
            Step::Recycle { slot, place, sync_len } => match (self.take(slot), sync_len) {
                (Held::Netmem(memory), None) => self.pool(place).recycle_direct(memory),
                (Held::Netmem(memory), Some(len)) => self.pool(place).recycle_direct_synced(memory, len),
                (Held::Frag(tagged), _) => self.pool(place).recycle_frag(tagged.open()),
                _ => unreachable!("the model says it is memory"),
            },
            Step::PutBulk { slots, thread } => {
                let mut batch = self.batch(&slots);
                if thread { self.worker.run(Box::new(move || drop(batch))) } else { batch.flush() }
            }
            Step::RecycleBulk { slots, place } => {
                let mut batch = self.batch(&slots);
                self.pool(place).recycle_bulk(&mut batch);
                assert!(batch.is_empty());
            }
            Step::NidChanged { place, nid } => self.pool(place).nid_changed(nid),
            Step::Serve { node } => self.bank.serve(node),
            Step::Allow { pages } => self.bank.allow(pages),
            Step::Reserve { node, frames } => self.bank.zones[node].set_reserve(frames),
            Step::Refuse { every, until } => self.device.refuse(move |number| refused(every, until, number)),
        }
    }

    fn frag_in_place(&mut self, slot: usize) -> Frag {
        match mem::replace(&mut self.slots[slot], Held::Moving) {
            Held::Frag(tagged) => tagged.open(),
            _ => unreachable!("the model says it is a frag"),
        }
    }

    /// Fills a batch that has `had` handles already: of the other pool or of the same.
    fn alloc_bulk(&mut self, place: usize, had: usize, got: usize) {
        let mut batch = Batch::new();
        // Handles of a pool of its own, for room.
        let zone = netmem::mm::Zone::new(had.max(1)).unwrap();
        let filler = netmem::provider::PageProvider::new(zone.clone());
        let mut other = PagePool::<netmem::Page>::new(PagePoolParams::default(), filler).unwrap();
        for _ in 0..had {
            batch.push(other.alloc().unwrap().into()).unwrap();
        }
        assert_eq!(self.pool(place).alloc_bulk(&mut batch), got, "alloc_bulk");
        assert_eq!(batch.len(), had + got);
        let mut taken: Vec<_> = (0..got).map(|_| batch.pop().unwrap()).collect();
        taken.reverse();
        self.slots.extend(taken.into_iter().map(Held::Netmem));
    }

    /// Compares everything that can be seen with the model.
    pub(crate) fn check(&mut self, model: &Model) {
        self.check_events(model);
        assert_eq!(self.device.take_syncs(), model.syncs, "syncs for the device: offset and length");
        let stats = self.device.stats();
        assert_eq!((stats.maps, stats.unmaps, stats.faults), (model.maps, model.unmaps, 0), "maps, unmaps, faults");
        assert_eq!(self.bank.free(), model.free_blocks.map(|blocks| blocks << model.config.order), "free frames");
        assert_eq!(self.iovs.free(), model.free_iovs, "free net_iovs");
        assert_eq!(*self.inits.lock().unwrap() as usize, model.memory.len(), "calls of the init callback");
        for (place, pool) in self.pools.iter().enumerate() {
            assert_eq!(pool.is_some(), model.places[place].is_some());
            let (Some(pool), Some(p)) = (pool, model.places[place]) else { continue };
            let expected = &model.pools[p];
            assert_eq!(pool.stats(), expected.stats, "pool {p}");
            assert_eq!(pool.inflight(), expected.inflight(), "pool {p}: inflight");
            assert_eq!(pool.inflight() - pool.in_use(), model.idle(p), "pool {p}: cache and ring");
        }
        for (p, shutdown) in &self.shutdowns {
            let expected = model.pools[*p].inflight();
            assert_eq!((shutdown.inflight(), shutdown.is_done()), (expected, expected == 0), "pool {p}, shutting down");
        }
        assert_eq!(self.slots.len(), model.slots.len());
        for (held, slot) in self.slots.iter().zip(&model.slots) {
            self.check_slot(model, held, *slot);
        }
    }

    /// What the hooks were told. Pool by pool: between pools a bulk may work in any order.
    fn check_events(&mut self, model: &Model) {
        let mut events = mem::take(&mut *self.events.lock().unwrap());
        let mut expected = model.events.clone();
        events.sort_by_key(Event::pool);
        expected.sort_by_key(Event::pool);
        assert_eq!(events.len(), expected.len(), "{events:x?}, not {expected:?}");
        let bulk = matches!(model.step, Step::PutBulk { .. } | Step::RecycleBulk { .. });
        if bulk {
            // In which order a bulk lets go of what cannot stay is its own affair.
            self.check_released(&events, &expected);
        }
        for (event, expected) in events.iter().zip(expected) {
            let same = match (*event, expected) {
                (Event::Hold { pool, memory, held }, Event::Hold { pool: p, memory: id, held: h }) => {
                    self.words.resize(self.words.len().max(id + 1), 0);
                    self.words[id] = memory;
                    (pool, held) == (p, h)
                }
                (Event::Release { pool, memory, released }, Event::Release { pool: p, memory: id, released: r }) => {
                    (pool, released) == (p, r) && (bulk || memory == self.words[id])
                }
                (
                    Event::End { pool, inflight, held, released },
                    Event::End { pool: p, inflight: i, held: h, released: r },
                ) => (pool, inflight, held, released) == (p, i, h, r),
                (Event::Nid { pool, nid }, Event::Nid { pool: p, nid: n }) => (pool, nid) == (p, n),
                _ => false,
            };
            assert!(same, "{event:x?}, not {expected:?}");
        }
    }

    /// That the same pieces were released, in any order.
    fn check_released(&self, events: &[Event<usize>], expected: &[Event<Id>]) {
        let mut told: Vec<_> = events.iter().filter_map(|event| event.released(|memory| memory)).collect();
        let mut expected: Vec<_> = expected.iter().filter_map(|event| event.released(|id| self.words[id])).collect();
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected, "released by a bulk: pool and memory");
    }

    fn check_slot(&self, model: &Model, held: &Held, slot: Slot) {
        let id: Id = slot.id();
        let expected = &model.memory[id];
        match (held, slot) {
            (Held::Netmem(_), Slot::Netmem(_)) => {}
            (Held::Shares(shares), Slot::Shares(_, left)) => assert_eq!(shares.left() as isize, left),
            (Held::Frag(tagged), Slot::Frag(_, offset, len)) => {
                assert_eq!((tagged.frag.offset(), tagged.frag.len()), (offset, len));
            }
            (Held::Mm(page), Slot::Mm(_)) => {
                assert_eq!(page_ref_count(page), expected.mm, "_refcount");
                assert_eq!(std::ptr::from_ref::<netmem::Page>(page).addr(), self.words[id]);
            }
            _ => panic!("another kind of handle than {slot:?}"),
        }
        let Some(memory) = held.memory() else { return };
        assert_eq!(word(memory), self.words[id], "another piece of memory");
        assert_eq!(memory.pp_ref_count() as isize, expected.refs, "pp_ref_count (BIAS is {BIAS})");
        assert_eq!(memory.is_net_iov(), expected.iov);
        if let Some(page) = memory.backing().page() {
            assert_eq!(page_ref_count(page), expected.mm, "_refcount");
            assert_eq!(page_is_pfmemalloc(page), expected.pfmemalloc);
            assert_eq!(page_to_nid(page), expected.node as i32);
        }
        if let Some(p) = model.places.iter().flatten().find(|p| **p == expected.pool) {
            let place = usize::from(model.places[1] == Some(*p));
            assert_eq!(memory.pp(), self.pools[place].as_ref().map(PagePool::id));
            assert_eq!(memory.dma_addr().as_raw() != 0, model.pools[*p].config.dma.0, "mapped");
        }
    }

    /// Lets go of everything, in the order that was drawn, and looks whether all of it came back.
    pub(crate) fn finish(mut self, model: &Model) {
        if model.memory.len() % 2 == 0 {
            self.pools = [None, None];
        }
        mem::take(&mut self.slots).into_iter().for_each(Held::put);
        self.pools = [None, None];
        self.shutdowns.clear();
        let all = super::model::BLOCKS << model.config.order;
        assert_eq!(self.bank.free(), [all, all], "frames were lost");
        assert_eq!(self.iovs.free(), NIOVS, "net_iovs were lost");
        let stats = self.device.stats();
        assert_eq!((stats.mapped(), stats.faults), (1, 0), "the area alone is mapped");
        // Each pool has told its end once.
        let told = mem::take(&mut *self.events.lock().unwrap());
        let ends: Vec<_> = told.iter().filter(|event| matches!(event, Event::End { inflight: 0, .. })).collect();
        let open = model.pools.iter().filter(|pool| pool.alive || pool.observed || pool.inflight() != 0).count();
        assert_eq!(ends.len(), open);
        drop(self.iovs);
        assert_eq!(self.device.stats().mapped(), 0);
        assert_eq!(Arc::strong_count(&self.device), 1, "somebody still has the device");
        assert_eq!(Arc::strong_count(&self.bank), 1, "somebody still has the provider");
    }
}
