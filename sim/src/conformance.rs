//! A suite that drives a [`MemoryProvider`] through the lives of pools and says which rule it breaks.
//!
//! The types keep a provider from handing a piece out twice or of the wrong kind (rules O5 and P1), and the pool refuses
//! pieces that it cannot use. What is left is behaviour: memory that is lost, sizes that change, parameters that are
//! accepted and not kept. [`check`] looks for that, with one call in a provider's tests:
//!
//! ```
//! use netmem::page_pool::PagePoolParams;
//! use netmem::provider::PageProvider;
//! use netmem_sim::conformance;
//! use netmem::mm::Zone;
//!
//! let zone = Zone::new(256)?;
//! let report = conformance::check(|| PageProvider::new(zone.clone()), &PagePoolParams::default())?;
//! assert_eq!((report.size, report.pieces), (4096, 256));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it cannot see: a provider that blocks for ever (the test hangs), and memory lost by one that has more than
//! [`LIMIT`] pieces.

use crate::dma::{Coherent, DmaBus};
use netmem::memory::{Kind, PageOrIov};
use netmem::mm::MAX_ORDER;
use netmem::page_pool::{
    AnyProvider, MemoryKind, MemoryProvider, Netmem, PagePool, PagePoolParams, PoolError, ProviderError, Refill,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::vec::Vec;

/// How many pieces [`check`] takes at most: of a provider that has more it does not see whether it loses some.
pub const LIMIT: usize = 4096;

/// What a provider that keeps the rules was seen to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The kind of its memory.
    pub kind: &'static str,
    /// How many bytes its pieces have.
    pub size: u32,
    /// How many pieces it gave one pool, at most [`LIMIT`].
    pub pieces: usize,
    /// Whether it serves two pools at a time.
    pub shares: bool,
    /// How often it was asked for memory.
    pub allocs: u64,
    /// How many pieces it got back.
    pub releases: u64,
}

/// A rule that a provider breaks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// It refuses what it is said to serve.
    #[error("init refuses the parameters that were given to the suite: {0}")]
    Refuses(ProviderError),
    /// There is no pool over it.
    #[error("no pool can be made over it: {0}")]
    NoPool(PoolError),
    /// It does not keep to one size.
    #[error("init says pieces of {first} bytes, and of {second} for the same parameters: a size does not change")]
    SizeChanges {
        /// What it said first.
        first: u32,
        /// What it said then.
        second: u32,
    },
    /// It accepts an order that no memory has.
    #[error(
        "init accepts order {order} and says pieces of {size} bytes: refuse with ProviderError::Order what it does not have"
    )]
    AcceptsOrder {
        /// What was asked for.
        order: u32,
        /// What it said.
        size: u32,
    },
    /// It accepts a size and has another.
    #[error("init accepts rx_page_size {asked} and says pieces of {size} bytes: refuse with ProviderError::PieceSize")]
    IgnoresRxPageSize {
        /// What was asked for.
        asked: u32,
        /// What it said.
        size: u32,
    },
    /// It accepts a device that its memory is not mapped for.
    #[error("init accepts a pool of another device: refuse with ProviderError::OtherDevice what is not mapped for it")]
    AcceptsOtherDevice,
    /// Its memory is read by the CPU, and it says that it needs no sync.
    #[error(
        "wants_sync says no for pages, which the CPU reads: say yes, as no device that needs syncs could be used (rule D2)"
    )]
    WantsNoSync,
    /// Its pieces are not what it says.
    #[error(
        "the pool handed {refused} pieces back that it wanted: they are not of {size} bytes, of another device, or held by somebody else"
    )]
    WrongPieces {
        /// How many.
        refused: u64,
        /// What `init` said.
        size: u32,
    },
    /// It has nothing.
    #[error("the first pool got no memory: give the suite a provider that has some")]
    Empty,
    /// It says that it is empty, and is not.
    #[error("alloc gave nothing after {pieces} pieces, and then gave more, though none came back: give all there is")]
    Withholds {
        /// How many there were before.
        pieces: usize,
    },
    /// It has less after memory came back to it.
    #[error("{before} pieces were there and all came back, and now there are {after}: hand out what was released")]
    Loses {
        /// What it had.
        before: usize,
        /// What it has.
        after: usize,
        /// What the suite did meanwhile.
        when: When,
    },
    /// It has more than it had.
    #[error("{before} pieces were all it gave, and now it gives {after}: give all there is the first time")]
    Gains {
        /// What it had.
        before: usize,
        /// What it has.
        after: usize,
        /// What the suite did meanwhile.
        when: When,
    },
    /// A pool over it does not end.
    #[error(
        "{inits} pools were made and dropped with all their memory, and {destroys} ended: it keeps handles of a pool"
    )]
    KeepsPools {
        /// How many were made.
        inits: u64,
        /// How many ended.
        destroys: u64,
    },
    /// A pool ended that had memory. That would be the pool's fault, not the provider's.
    #[error("destroy was called with memory out: report it, this is a bug of the pool")]
    DestroyedEarly,
    /// Somebody keeps it.
    #[error("{owners} owners of the provider are left and there were {before}: it keeps itself alive")]
    KeepsItself {
        /// How many there were.
        before: usize,
        /// How many there are.
        owners: usize,
    },
    /// It does not say what it is.
    #[error("describe wrote {bytes} bytes with {lines} line breaks: write one line")]
    Silent {
        /// How many bytes.
        bytes: usize,
        /// How many line breaks.
        lines: usize,
    },
    /// The suite had no memory.
    #[error("no memory for the suite")]
    NoMemory,
}

/// What the suite did between two counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// A pool went, after all its memory was back.
    PoolGone,
    /// The pool's ring was too short for what came back.
    RingFull,
    /// A pool went while memory was out.
    ShutDownInFlight,
    /// A second pool had some.
    Shared,
    /// Pieces were cut up and came back in parts.
    CutUp,
}

/// Passes calls on to a provider, and counts them.
struct Watch<P> {
    provider: Arc<P>,
    inits: AtomicU64,
    destroys: AtomicU64,
    allocs: AtomicU64,
    pushed: AtomicU64,
    refused: AtomicU64,
    releases: AtomicU64,
    early: AtomicBool,
}

impl<P: MemoryProvider> Watch<P> {
    fn new(provider: Arc<P>) -> Arc<Self> {
        Arc::new(Watch {
            provider,
            inits: AtomicU64::new(0),
            destroys: AtomicU64::new(0),
            allocs: AtomicU64::new(0),
            pushed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            releases: AtomicU64::new(0),
            early: AtomicBool::new(false),
        })
    }
}

impl<P: MemoryProvider> MemoryProvider for Watch<P> {
    type Kind = P::Kind;

    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
        let size = self.provider.init(params)?;
        self.inits.fetch_add(1, Relaxed);
        Ok(size)
    }

    fn alloc(&self, out: &mut Refill<'_, P::Kind>) {
        self.allocs.fetch_add(1, Relaxed);
        self.provider.alloc(out);
        self.pushed.fetch_add(out.pushed() as u64, Relaxed);
        self.refused.fetch_add(out.refused() as u64, Relaxed);
    }

    fn release(&self, memory: <P::Kind as MemoryKind>::Free) {
        self.releases.fetch_add(1, AcqRel);
        self.provider.release(memory);
    }

    fn destroy(&self) {
        self.destroys.fetch_add(1, Relaxed);
        // Of several pools the last to go must find everything released.
        let last = self.destroys.load(Relaxed) == self.inits.load(Relaxed);
        if last && self.releases.load(Acquire) != self.pushed.load(Relaxed) {
            self.early.store(true, Relaxed);
        }
        self.provider.destroy();
    }

    fn uninstall(&self) {
        self.provider.uninstall();
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.provider.describe(f)
    }

    fn wants_sync(&self) -> bool {
        self.provider.wants_sync()
    }

    fn is_page_allocator(&self) -> bool {
        self.provider.is_page_allocator()
    }
}

/// What a description has, without keeping it.
#[derive(Default)]
struct Said {
    bytes: usize,
    lines: usize,
}

impl fmt::Write for Said {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes += text.len();
        self.lines += text.matches('\n').count();
        Ok(())
    }
}

type Pool = PagePool<PageOrIov>;

struct Suite<'a, P> {
    watch: Arc<Watch<P>>,
    params: &'a PagePoolParams,
    size: u32,
}

impl<P: MemoryProvider + 'static> Suite<'_, P> {
    fn pool(&self, pool_size: u32) -> Result<Pool, Violation> {
        let params = PagePoolParams { pool_size, ..self.params.clone() };
        let pool = Pool::new(params, AnyProvider::from(self.watch.clone())).map_err(|error| match error {
            PoolError::Provider(refused) => Violation::Refuses(refused),
            other => Violation::NoPool(other),
        })?;
        match pool.piece_size() {
            size if size == self.size => Ok(pool),
            second => Err(Violation::SizeChanges { first: self.size, second }),
        }
    }

    /// Takes all that there is, at most [`LIMIT`] pieces.
    fn drain(&self, pool: &mut Pool, taken: &mut Vec<Netmem>) -> Result<(), Violation> {
        taken.try_reserve(LIMIT.saturating_sub(taken.len())).map_err(|_| Violation::NoMemory)?;
        while taken.len() < LIMIT {
            match pool.alloc() {
                Some(piece) => taken.push(piece),
                None => break,
            }
        }
        let refused = self.watch.refused.load(Relaxed);
        if refused != 0 {
            return Err(Violation::WrongPieces { refused, size: self.size });
        }
        if taken.len() < LIMIT {
            // Nothing comes back meanwhile, so there must be nothing still.
            if (0..3).any(|_| pool.alloc().is_some()) {
                return Err(Violation::Withholds { pieces: taken.len() });
            }
        }
        Ok(())
    }

    fn count(&self, pool: &mut Pool) -> Result<usize, Violation> {
        let mut taken = Vec::new();
        self.drain(pool, &mut taken)?;
        Ok(taken.len())
    }

    /// Every pool that was made must have ended.
    fn settled(&self) -> Result<(), Violation> {
        let (inits, destroys) = (self.watch.inits.load(Relaxed), self.watch.destroys.load(Relaxed));
        if inits != destroys {
            return Err(Violation::KeepsPools { inits, destroys });
        }
        if self.watch.early.load(Relaxed) {
            return Err(Violation::DestroyedEarly);
        }
        Ok(())
    }
}

fn same(before: usize, after: usize, when: When) -> Result<(), Violation> {
    match after {
        after if after < before => Err(Violation::Loses { before, after, when }),
        after if after > before => Err(Violation::Gains { before, after, when }),
        _ => Ok(()),
    }
}

/// Drives the provider that `make` makes through pools with these parameters. Its length of the ring is not used.
///
/// `make` is called twice, and each time must give a provider with memory that nobody uses meanwhile; both may draw from
/// the same place. The second one is taken off its queue.
///
/// # Errors
///
/// The first [`Violation`] that was found, with what was seen.
pub fn check<P: MemoryProvider + 'static>(
    make: impl Fn() -> Arc<P>,
    params: &PagePoolParams,
) -> Result<Report, Violation> {
    let report = lives(make(), params)?;
    taken_off(make(), params, &report)?;
    Ok(report)
}

/// Asks the provider for what it cannot have.
fn refusals<P: MemoryProvider>(provider: &P, params: &PagePoolParams) -> Result<u32, Violation> {
    let ask = |params: &PagePoolParams| {
        let answer = provider.init(params);
        // Each `Ok` is one pool that there might be, and ends here.
        if answer.is_ok() {
            provider.destroy();
        }
        answer
    };
    let first = ask(params).map_err(Violation::Refuses)?;
    let second = ask(params).map_err(Violation::Refuses)?;
    if first != second {
        return Err(Violation::SizeChanges { first, second });
    }
    for order in [MAX_ORDER + 20, u32::MAX] {
        if let Ok(size) = ask(&PagePoolParams { order, ..params.clone() }) {
            return Err(Violation::AcceptsOrder { order, size });
        }
    }
    for asked in [first.checked_mul(2), Some(first / 2), Some(1 << 31)].into_iter().flatten() {
        // Without an order, so that the two do not contradict each other.
        match ask(&PagePoolParams { rx_page_size: asked, order: 0, ..params.clone() }) {
            Ok(size) if size != asked => return Err(Violation::IgnoresRxPageSize { asked, size }),
            _ => {}
        }
    }
    let unreadable = <P::Kind as Kind>::IOV == Some(true);
    if unreadable && params.device.is_some() {
        let device = Some(Arc::new(Coherent::new()).driver_side());
        if ask(&PagePoolParams { device, ..params.clone() }).is_ok() {
            return Err(Violation::AcceptsOtherDevice);
        }
    }
    if !unreadable && !provider.wants_sync() {
        return Err(Violation::WantsNoSync);
    }
    Ok(first)
}

fn lives<P: MemoryProvider + 'static>(provider: Arc<P>, params: &PagePoolParams) -> Result<Report, Violation> {
    let size = refusals(&*provider, params)?;
    let before = Arc::strong_count(&provider);
    let watch = Watch::new(provider.clone());
    let suite = Suite { watch: watch.clone(), params, size };

    // One life: all that there is, back, and again by another pool.
    let mut pool = suite.pool(0)?;
    let pieces = suite.count(&mut pool)?;
    if pieces == 0 {
        return Err(Violation::Empty);
    }
    drop(pool);
    suite.settled()?;
    same(pieces, suite.count(&mut suite.pool(0)?)?, When::PoolGone)?;
    suite.settled()?;

    // A ring of one slot: almost all of it goes back to the provider while the pool lives.
    let mut pool = suite.pool(1)?;
    for _ in 0..3 {
        same(pieces, suite.count(&mut pool)?, When::RingFull)?;
    }
    drop(pool);
    suite.settled()?;

    // The pool goes first, and its memory then.
    let mut pool = suite.pool(1)?;
    let mut out = Vec::new();
    suite.drain(&mut pool, &mut out)?;
    drop(pool);
    drop(out);
    suite.settled()?;
    same(pieces, suite.count(&mut suite.pool(1)?)?, When::ShutDownInFlight)?;

    // Pieces that come back in parts.
    let mut pool = suite.pool(1)?;
    if let Some(Ok(mut shares)) = pool.alloc().map(|piece| piece.share(3)) {
        let first = shares.take();
        let second = shares.take();
        drop(first);
        drop(shares);
        drop(second);
    }
    let frags: [_; 5] = core::array::from_fn(|i| pool.alloc_frag(size / (i as u32 + 1)));
    drop(frags);
    drop(pool);
    suite.settled()?;
    same(pieces, suite.count(&mut suite.pool(0)?)?, When::CutUp)?;

    // Two pools at a time.
    let mut one = suite.pool(1)?;
    let shares = match suite.pool(1) {
        Ok(mut two) => {
            let mut out = Vec::new();
            suite.drain(&mut one, &mut out)?;
            let mut more = Vec::new();
            if pieces < LIMIT {
                suite.drain(&mut two, &mut more)?;
                same(pieces, out.len() + more.len(), When::Shared)?;
            }
            // What one gives back the other may have, but for what is in cache and ring of the first.
            drop((one, out, more));
            same(pieces, suite.count(&mut two)?, When::Shared)?;
            true
        }
        Err(Violation::Refuses(_)) => false,
        Err(other) => return Err(other),
    };
    suite.settled()?;

    let mut said = Said::default();
    let any = AnyProvider::from(watch.clone());
    let written = fmt::write(&mut said, format_args!("{any}"));
    drop(any);
    if written.is_err() || said.bytes == 0 || said.lines != 0 {
        return Err(Violation::Silent { bytes: said.bytes, lines: said.lines });
    }
    drop(suite);
    let report = Report {
        kind: <P::Kind as Kind>::NAME,
        size,
        pieces,
        shares,
        allocs: watch.allocs.load(Relaxed),
        releases: watch.releases.load(Relaxed),
    };
    drop(watch);
    let owners = Arc::strong_count(&provider);
    if owners != before {
        return Err(Violation::KeepsItself { before, owners });
    }
    Ok(report)
}

/// Takes the provider off its queue while memory is out: all of it must still come back.
fn taken_off<P: MemoryProvider + 'static>(
    provider: Arc<P>,
    params: &PagePoolParams,
    report: &Report,
) -> Result<(), Violation> {
    let before = Arc::strong_count(&provider);
    let watch = Watch::new(provider.clone());
    let suite = Suite { watch, params, size: report.size };
    let mut pool = suite.pool(1)?;
    let mut out = Vec::new();
    suite.drain(&mut pool, &mut out)?;
    same(report.pieces, out.len(), When::PoolGone)?;
    pool.provider().uninstall();
    let half = out.len() / 2;
    out.truncate(half);
    drop(pool);
    drop(out);
    suite.settled()?;
    drop(suite);
    let owners = Arc::strong_count(&provider);
    if owners != before {
        return Err(Violation::KeepsItself { before, owners });
    }
    Ok(())
}
