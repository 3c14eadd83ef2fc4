//! [`Trace`]: random operations on a pool, and the numbers that they leave behind. [`Bench`]: one operation, many times.
//!
//! Nothing here knows which pool it has. An operation depends on the seed and on what is held. So the same seed makes the same
//! operations as long as both pools do the same, and a difference makes more differences.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::hint::black_box;
use netmem::mm::{PageRef, get_page};
use netmem::page_pool::{Batch, Frag, Netmem, PagePool, Stats};
use netmem::{NetmemRef, Page};

/// Operations in a phase. Phases that allocate more than they put, and phases that put more, take turns.
const PHASE: u32 = 500;
/// How many mm references are held at most.
const PAGES: usize = 40;
/// From which operation on a control does one thing wrong.
const CONTROL: u32 = 7000;

/// How many numbers a phase leaves: the counters, what the pool has from its provider, what is held (handles, frags, mm references),
/// a hash of where fragments started, and how many allocations failed. `names` of trace.c has them in this order.
pub(crate) const NUMBERS: usize = Stats::COUNT + 6;

/// What to do: `struct plan` of trace.c has the same.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) pool_size: u32,
    pub(crate) order: u32,
    /// How many handles are put in one bulk at most.
    bulk: u32,
    /// Whether there are fragments beside whole pieces.
    frags: bool,
    /// What to do wrong, once: see [`Wrong`].
    wrong: Wrong,
}

/// What a control does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Wrong {
    Nothing,
    /// Leaves out a put.
    Keep,
    /// Recycles directly a handle that is to be put.
    Direct,
    /// Cuts a fragment that is 64 bytes too long.
    Long,
    /// Takes an mm reference to a page, for the time of a put.
    Pin,
}

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// A trace of operations on a pool.
pub(crate) struct Trace {
    whole: Vec<Netmem<Page>>,
    frags: Vec<Frag<Page>>,
    pages: Vec<PageRef>,
    pool: PagePool<Page>,
    plan: Plan,
    random: Random,
    /// How many handles and how many frags are held at most.
    limit: usize,
    op: u32,
    offsets: u64,
    failed: u64,
}

impl Trace {
    pub(crate) fn new(pool: PagePool<Page>, plan: Plan) -> Self {
        let limit = 600 >> plan.order;
        Trace {
            whole: Vec::with_capacity(limit),
            frags: Vec::with_capacity(limit),
            pages: Vec::with_capacity(PAGES),
            pool,
            // a state of 0 would stay 0
            random: Random(plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            plan,
            limit,
            op: 0,
            offsets: 0,
            failed: 0,
        }
    }

    /// Does the operations of one phase.
    pub(crate) fn phase(&mut self) -> [u64; NUMBERS] {
        for _ in 0..PHASE {
            self.step();
            self.op += 1;
        }
        self.numbers()
    }

    /// Puts what is held.
    pub(crate) fn end(&mut self) -> [u64; NUMBERS] {
        self.whole.clear();
        self.frags.clear();
        self.pages.clear();
        self.numbers()
    }

    fn numbers(&self) -> [u64; NUMBERS] {
        let mut all = [0; NUMBERS];
        let held = [self.pool.inflight(), self.whole.len(), self.frags.len(), self.pages.len()];
        let counters = self.pool.stats().named().map(|(_, count)| count);
        let rest = [self.offsets, self.failed];
        let numbers = counters.into_iter().chain(held.map(|count| count as u64)).chain(rest);
        all.iter_mut().zip(numbers).for_each(|(to, from)| *to = from);
        all
    }

    /// Whether a control does its one thing now.
    fn goes_wrong(&mut self, how: Wrong) -> bool {
        let now = self.plan.wrong == how && self.op >= CONTROL;
        if now {
            self.plan.wrong = Wrong::Nothing;
        }
        now
    }

    fn step(&mut self) {
        let random = self.random.next();
        let (what, pick, frag) = (random % 64, (random >> 20) as usize, self.plan.frags && random & 64 != 0);
        // In every other phase of puts most are direct, more than the cache holds.
        let direct = random & if self.op / PHASE % 4 == 3 { 0x780 } else { 0x80 } != 0;
        let alloc = if self.op / PHASE % 2 == 0 { 34 } else { 16 };
        match what {
            what if what < alloc && frag => self.alloc_frag(pick),
            what if what < alloc => self.alloc(),
            what if what < 54 && frag => self.put_frag(pick, direct),
            what if what < 54 => self.put(pick, direct),
            54 | 55 => self.put_bulk(pick),
            56 => self.alloc_bulk(),
            57 => self.get_page(pick, frag),
            58 | 59 if !self.pages.is_empty() => drop(self.pages.swap_remove(pick % self.pages.len())),
            // The first call is news to the pool, and empties its cache. The others are not.
            60 if pick % 8 == 0 => self.pool.nid_changed(0),
            61..64 => self.get(pick),
            _ => {}
        }
    }

    fn alloc(&mut self) {
        if self.whole.len() < self.limit {
            let memory = self.pool.alloc();
            self.failed += u64::from(memory.is_none());
            self.whole.extend(memory);
        }
    }

    fn alloc_frag(&mut self, pick: usize) {
        if self.frags.len() < self.limit {
            let more = if self.goes_wrong(Wrong::Long) { 64 } else { 0 };
            let frag = self.pool.alloc_frag((pick % 3000) as u32 + 1 + more);
            self.failed += u64::from(frag.is_none());
            if let Some(frag) = frag {
                self.offsets = self.offsets.wrapping_mul(31).wrapping_add(u64::from(frag.offset()));
                self.frags.push(frag);
            }
        }
    }

    fn alloc_bulk(&mut self) {
        let mut batch = Batch::new();
        if self.whole.len() + batch.room() <= self.limit {
            self.failed += (batch.room() - self.pool.alloc_bulk(&mut batch)) as u64;
            self.whole.extend(core::iter::from_fn(|| batch.pop()));
        }
    }

    fn put(&mut self, pick: usize, direct: bool) {
        if self.whole.is_empty() || !direct && self.goes_wrong(Wrong::Keep) {
            return;
        }
        let memory = self.whole.swap_remove(pick % self.whole.len());
        let pinned = self.goes_wrong(Wrong::Pin).then(|| get_page(page_of(memory.borrow())));
        if direct || self.goes_wrong(Wrong::Direct) {
            self.pool.recycle_direct(memory);
        } else {
            drop(memory);
        }
        drop(pinned);
    }

    fn put_frag(&mut self, pick: usize, direct: bool) {
        if !self.frags.is_empty() {
            let frag = self.frags.swap_remove(pick % self.frags.len());
            if direct { self.pool.recycle_frag(frag) } else { drop(frag) }
        }
    }

    fn put_bulk(&mut self, pick: usize) {
        let mut batch = Batch::new();
        for n in 0..pick % self.plan.bulk as usize + 1 {
            if !self.whole.is_empty() {
                batch.put(self.whole.swap_remove((pick >> 8).wrapping_add(n * 7) % self.whole.len()));
            }
        }
    }

    /// Takes one more reference to a piece.
    fn get(&mut self, pick: usize) {
        if !self.whole.is_empty() && self.whole.len() < self.limit {
            let more = self.whole[pick % self.whole.len()].get();
            self.whole.push(more);
        }
    }

    /// Takes an mm reference. A page that is put meanwhile leaves the pool.
    fn get_page(&mut self, pick: usize, frag: bool) {
        let memory = match (self.whole.len(), self.frags.len()) {
            (_, frags) if frag && frags != 0 => self.frags[pick % frags].borrow(),
            (whole, _) if whole != 0 => self.whole[pick % whole].borrow(),
            _ => return,
        };
        if self.pages.len() < PAGES {
            self.pages.push(get_page(page_of(memory)));
        }
    }
}

fn page_of(memory: NetmemRef<'_, Page>) -> &Page {
    memory.page()
}

/// Hides from the compiler that an operation and its undoing do nothing together. It would see that in the engine of the crate, which
/// it inlines. Functions of the kernel hide it by themselves, and a `black_box` costs three instructions.
#[inline(always)]
fn hide<T>(value: T) -> T {
    if cfg!(netmem_backend = "linux") { value } else { black_box(value) }
}

/// A pool, and a piece of it, of which operations are counted.
pub(crate) struct Bench {
    memory: Netmem<Page>,
    pool: PagePool<Page>,
}

impl Bench {
    /// `None` when there is no memory.
    pub(crate) fn new(mut pool: PagePool<Page>) -> Option<Self> {
        Some(Bench { memory: pool.alloc()?, pool })
    }

    /// Does an operation and its undoing `n` times. `row` is the place in `rows` of trace.c.
    ///
    pub(crate) fn run(&mut self, row: u32, n: u64) {
        match row {
            0 => (0..n).for_each(|i| {
                black_box(i);
            }),
            1 => (0..n).for_each(|_| {
                if let Some(memory) = self.pool.alloc() {
                    self.pool.recycle_direct(hide(memory));
                }
            }),
            2 => (0..n).for_each(|_| drop(hide(self.pool.alloc()))),
            3 => (0..n).for_each(|_| {
                if let Some(frag) = self.pool.alloc_frag(2048) {
                    self.pool.recycle_frag(hide(frag));
                }
            }),
            4 => (0..n).for_each(|_| drop(hide(self.memory.get()))),
            _ => (0..n).for_each(|_| {
                black_box(black_box(&self.memory).dma_addr());
            }),
        }
    }
}
