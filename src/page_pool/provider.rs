//! [`MemoryProvider`]: where a pool gets memory and gives it back.

use super::{AreaError, FreeIov, Netmem, PagePoolParams};
use crate::alloc::Arc;
use crate::dma::DmaDirection;
use crate::error::errno::{E2BIG, EBUSY, EINVAL, EOPNOTSUPP};
use crate::memory::{Kind, NetIov, Page, PageOrIov, PoolId};
use crate::mm::FreePage;
use core::fmt;
use core::ops::Deref;

/// A kind that memory really has: [`Page`] or [`NetIov`]. Sealed. `PageOrIov` is what one knows, not what it is.
#[diagnostic::on_unimplemented(
    message = "a memory provider provides `Page` or `NetIov`, not `{Self}` (rule P1)",
    label = "no memory is of this kind",
    note = "one provider has one kind of memory; a pool of `PageOrIov` takes a provider of either",
    note = "see docs/rules.md#p1"
)]
pub trait MemoryKind: Kind + Sized {
    /// The memory while it is nobody's: [`FreePage`] or [`FreeIov`].
    type Free: Send;

    /// Forgets which kind a provider provides.
    #[doc(hidden)]
    fn any(provider: Arc<dyn MemoryProvider<Kind = Self>>) -> AnyProvider;
}

#[diagnostic::do_not_recommend]
impl MemoryKind for Page {
    type Free = FreePage;

    fn any(provider: Arc<dyn MemoryProvider<Kind = Page>>) -> AnyProvider {
        AnyProvider::Page(provider)
    }
}

#[diagnostic::do_not_recommend]
impl MemoryKind for NetIov {
    type Free = FreeIov;

    fn any(provider: Arc<dyn MemoryProvider<Kind = NetIov>>) -> AnyProvider {
        AnyProvider::NetIov(provider)
    }
}

/// Where a pool gets memory and gives it back: `struct memory_provider_ops`.
///
/// A provider hands out free memory by value and gets it back by value (rule O5), so handing the same piece out twice
/// does not compile and the trait needs no `unsafe`. It provides one kind and cannot return the other (rule P1).
///
/// | C | here | called |
/// | --- | --- | --- |
/// | `init` | [`init`](Self::init) | once for each pool, before there is one |
/// | `alloc_netmems` | [`alloc`](Self::alloc) | by the consumer side, when cache and ring are empty |
/// | `release_netmem` | [`release`](Self::release) | by whoever drops the last reference to memory that leaves the pool |
/// | `destroy` | [`destroy`](Self::destroy) | once for each `init` that said `Ok`, when all memory is back |
/// | `uninstall` | [`uninstall`](Self::uninstall) | when a queue gives its provider up, before that queue's pool goes |
/// | `nl_fill` | [`describe`](Self::describe) | by whoever reports on queues and pools |
///
/// **What C passes beside it.** `void *mp_priv` is `self`: a provider is a value with its own fields, and nobody casts.
/// `rx_page_size`, which a queue asks for when it is bound, is [`PagePoolParams::rx_page_size`]; `init` sees it and
/// answers with the size that pieces have, or refuses. So every parameter is typed and the trait stays usable as
/// `dyn MemoryProvider<Kind = ..>`: a pool is not generic over its provider, and one queue may have this one today and that
/// one tomorrow.
///
/// **Locks.** The pool holds none while it calls a provider. A provider must hold none of its own while it calls
/// [`Refill::recycle`], or drops memory of a pool: that may end in its own `release`.
///
/// **Panics.** A provider should not. One that panics in `release` or `destroy` leaks the pool with its memory and
/// mappings; one that panics in `alloc` passes the panic to the consumer side, whose pool stays usable. Neither is
/// unsound.
///
/// `netmem_sim::conformance` drives a provider through all of this and names the rule that
/// it breaks.
///
/// ```
/// use netmem::page_pool::{MemoryProvider, PagePool, PagePoolParams, Refill, ProviderError};
/// use netmem::{mm::{FreePage, Zone, PAGE_SIZE}, Page};
/// use std::sync::{Arc, Mutex};
///
/// /// Pages that were set aside, and no more.
/// struct SetAside(Mutex<Vec<FreePage>>);
///
/// impl MemoryProvider for SetAside {
///     type Kind = Page;
///
///     fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
///         if params.order == 0 { Ok(PAGE_SIZE as u32) } else { Err(ProviderError::Order { order: params.order, max: 0 }) }
///     }
///
///     fn alloc(&self, out: &mut Refill<'_, Page>) {
///         let mut pages = self.0.lock().unwrap();
///         while let Some(page) = pages.pop() {
///             if let Err(page) = out.push(page) {
///                 return pages.push(page); // the pool has enough
///             }
///         }
///     }
///
///     fn release(&self, page: FreePage) {
///         self.0.lock().unwrap().push(page);
///     }
/// }
///
/// let zone = Zone::new(8)?;
/// let pages = (0..3).filter_map(|_| zone.alloc(0)).collect();
/// let provider = Arc::new(SetAside(Mutex::new(pages)));
/// let mut pool = PagePool::<Page>::new(PagePoolParams::default(), provider.clone())?;
/// let all: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
/// assert_eq!(all.len(), 3);
/// drop((pool, all));
/// assert_eq!(provider.0.lock().unwrap().len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait MemoryProvider: Send + Sync {
    /// What it provides.
    type Kind: MemoryKind;

    /// A pool with these parameters wants memory. Says how many bytes each piece has: a page of the pool's order, or
    /// the size of the net_iovs. Pieces of another size will be refused.
    ///
    /// # Errors
    ///
    /// [`ProviderError`], with the reason; there will be no pool, and no [`destroy`](Self::destroy).
    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError>;

    /// Fills `out`, up to what it wants; nothing when nothing is left.
    #[doc(alias = "alloc_netmems")]
    fn alloc(&self, out: &mut Refill<'_, Self::Kind>);

    /// Takes a piece back. Runs inside the put that was the last, on any thread: it must not block, and should it panic,
    /// the pool leaks, with its memory and mappings. A provider that keeps handles of its own pool keeps both until it
    /// drops them ([`uninstall`](Self::uninstall) is the time).
    #[doc(alias = "release_netmem")]
    fn release(&self, memory: <Self::Kind as MemoryKind>::Free);

    /// A pool that [`init`](Self::init) said `Ok` to is gone, and every piece that it had has been released. Called once
    /// for each such `init`, on whatever thread returned the last piece; also when the pool was not made after all.
    fn destroy(&self) {}

    /// A queue gives this provider up. Called by whoever takes it off the queue, before that queue's pool is dropped.
    /// Time to drop handles that are kept, and to hand out nothing more.
    fn uninstall(&self) {}

    /// Writes what it is and how much it has, on one line, for reports. What `nl_fill` puts into a netlink message.
    ///
    /// # Errors
    ///
    /// What the formatter says.
    #[doc(alias = "nl_fill")]
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::any::type_name::<Self>())
    }

    /// Whether its memory is synced when it changes hands between CPU and device (rule D3): pages and the user's memory
    /// are, a dma-buf is not. Asked once, when a pool is made. A provider of pages that answers `false` is refused for a
    /// device that needs syncs ([`PoolError::ReadableUnsynced`](super::PoolError::ReadableUnsynced)), because the CPU
    /// reads its memory (rule D2).
    fn wants_sync(&self) -> bool {
        true
    }

    /// Whether it is what Linux calls when a pool has no provider: the page allocator. Its allocations count as
    /// [`alloc_slow`](super::Stats::alloc_slow) and
    /// [`alloc_slow_high_order`](super::Stats::alloc_slow_high_order), and of an order above 0 it is asked for one block
    /// at a time. Those of all others count nowhere, as in Linux, and all others are asked for a whole refill.
    fn is_page_allocator(&self) -> bool {
        false
    }
}

/// Why a provider does not serve a pool.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// An order that it does not have.
    #[error("no memory of order {order}: use at most {max}")]
    Order {
        /// The order that was asked for.
        order: u32,
        /// What it has at most.
        max: u32,
    },
    /// Pieces of a size that it does not have.
    #[error(
        "pieces of {asked} bytes were asked for and the provider has pieces of {has}: set rx_page_size or order to that"
    )]
    PieceSize {
        /// What `rx_page_size`, or else the order, asks for.
        asked: u32,
        /// What it has.
        has: u32,
    },
    /// The pool would not let the device reach it.
    #[error("device memory needs a pool that maps and syncs: set DMA_MAP and DMA_SYNC_DEV")]
    NeedsDma,
    /// The memory was bound for receive only.
    #[error("the memory was bound for the device to write, and the pool is {direction:?}: use FromDevice")]
    Direction {
        /// What the pool asks for.
        direction: DmaDirection,
    },
    /// The memory was mapped for another device.
    #[error("the memory is mapped for another device than the pool's: bind it to this one")]
    OtherDevice,
    /// It serves as many pools as it can.
    #[error("the provider serves {pools} pools and can serve no more: drop one, or make another provider")]
    Busy {
        /// How many pools it serves.
        pools: usize,
    },
    /// It was taken off its queue, or its other end has closed.
    #[error("the provider was closed or taken off its queue: make another one")]
    Closed,
    /// It could not be cut up.
    #[error(transparent)]
    Area(#[from] AreaError),
    /// Anything else.
    #[error("{0}")]
    Other(&'static str),
}

impl ProviderError {
    /// Returns what `page_pool_init` returns for the provider: EINVAL for an order above the page allocator's, and
    /// EOPNOTSUPP for a pool that does not map and sync. E2BIG is that of `mp_dmabuf_devmem_init` for pieces of another
    /// size; `io_pp_zc_init` returns EINVAL for the same. EOPNOTSUPP for a direction, and EINVAL for another device,
    /// are those of `io_pp_zc_init`. Linux has no limit of pools and no closed provider; EBUSY and EINVAL are the
    /// nearest.
    pub fn errno(&self) -> i32 {
        match self {
            ProviderError::Order { .. }
            | ProviderError::OtherDevice
            | ProviderError::Closed
            | ProviderError::Other(_) => EINVAL,
            ProviderError::PieceSize { .. } => E2BIG,
            ProviderError::NeedsDma | ProviderError::Direction { .. } => EOPNOTSUPP,
            ProviderError::Busy { .. } => EBUSY,
            ProviderError::Area(reason) => reason.errno(),
        }
    }
}

/// A pool that wants memory of kind `M`, as [`Refill`] sees it.
pub(crate) trait Sink<M: MemoryKind>: Send + Sync {
    /// Takes memory in.
    ///
    /// # Errors
    ///
    /// The memory, when the pool cannot use it.
    fn admit(&mut self, memory: M::Free) -> Result<(), M::Free>;

    /// Takes back a reference that bypasses the ring and is not counted as recycling. Returns whether the memory is in the
    /// cache now.
    fn readmit(&mut self, memory: Netmem<M>) -> bool;

    /// Returns which memory the pool wants.
    fn wish(&self) -> Wish;
}

/// Which pool wants memory, and which memory.
#[derive(Clone, Copy)]
pub(crate) struct Wish {
    /// The pool.
    pub(crate) pool: PoolId,
    /// log2 of the pages of a piece.
    pub(crate) order: u32,
    /// The NUMA node, if there is a wish.
    pub(crate) nid: Option<i32>,
}

/// Where a provider puts memory: the cache of the pool that asks, for the length of one call.
pub struct Refill<'p, M: MemoryKind> {
    sink: &'p mut dyn Sink<M>,
    wanted: usize,
    pushed: usize,
    refused: usize,
}

impl<'p, M: MemoryKind> Refill<'p, M> {
    pub(crate) fn new(sink: &'p mut dyn Sink<M>, wanted: usize) -> Self {
        Refill { sink, wanted, pushed: 0, refused: 0 }
    }

    /// How many pieces the pool still takes.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// log2 of how many pages a piece must have.
    pub fn order(&self) -> u32 {
        self.sink.wish().order
    }

    /// The NUMA node that the pool wants its pages from, if it has a wish.
    pub fn nid(&self) -> Option<i32> {
        self.sink.wish().nid
    }

    /// Fresh memory, which the pool counts as held from now on.
    ///
    /// # Errors
    ///
    /// The memory itself, when the pool cannot use it: it wants no more, the piece is of the wrong size, mapped for
    /// another device or not to be mapped, or mm holds more references to it.
    pub fn push(&mut self, memory: M::Free) -> Result<(), M::Free> {
        if self.wanted == 0 {
            return Err(memory);
        }
        match self.sink.admit(memory) {
            Ok(()) => {
                self.wanted -= 1;
                self.pushed += 1;
                Ok(())
            }
            Err(memory) => {
                self.refused += 1;
                Err(memory)
            }
        }
    }

    /// How many pieces were fresh and are the pool's now.
    pub fn pushed(&self) -> usize {
        self.pushed
    }

    /// How many pieces the pool has handed back although it wanted some: it cannot use them.
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// Memory that comes back to the pool and is counted already (a user's refill ring): one reference. It goes into the
    /// cache and counts as no recycling. True when it is there now; false when others hold references, or when it is of
    /// another pool, to which it then returns.
    ///
    /// Hold no lock of the provider's: memory that may not stay is [released](MemoryProvider::release) from in here.
    ///
    /// # Errors
    ///
    /// The handle, when the pool wants no more.
    #[doc(alias = "net_mp_netmem_place_in_cache")]
    pub fn recycle(&mut self, memory: Netmem<M>) -> Result<bool, Netmem<M>> {
        if self.wanted == 0 {
            return Err(memory);
        }
        let cached = self.sink.readmit(memory);
        self.wanted -= usize::from(cached);
        Ok(cached)
    }

    /// Which pool is being filled: what [`pp`](crate::NetmemRef::pp) says of its memory.
    pub fn pool(&self) -> PoolId {
        self.sink.wish().pool
    }
}

/// A provider of either kind.
#[derive(Clone)]
pub enum AnyProvider {
    /// It provides pages.
    Page(Arc<dyn MemoryProvider<Kind = Page>>),
    /// It provides net_iovs.
    NetIov(Arc<dyn MemoryProvider<Kind = NetIov>>),
}

impl From<Arc<dyn MemoryProvider<Kind = Page>>> for AnyProvider {
    fn from(provider: Arc<dyn MemoryProvider<Kind = Page>>) -> Self {
        AnyProvider::Page(provider)
    }
}

impl From<Arc<dyn MemoryProvider<Kind = NetIov>>> for AnyProvider {
    fn from(provider: Arc<dyn MemoryProvider<Kind = NetIov>>) -> Self {
        AnyProvider::NetIov(provider)
    }
}

impl<P: MemoryProvider + 'static> From<Arc<P>> for AnyProvider {
    fn from(provider: Arc<P>) -> Self {
        P::Kind::any(provider)
    }
}

/// Calls a method of whichever provider it is.
macro_rules! either {
    ($any:expr, $provider:ident => $call:expr) => {
        match $any {
            AnyProvider::Page($provider) => $call,
            AnyProvider::NetIov($provider) => $call,
        }
    };
}

impl AnyProvider {
    /// Tells the provider that a queue gives it up ([`MemoryProvider::uninstall`]).
    pub fn uninstall(&self) {
        either!(self, provider => provider.uninstall())
    }

    /// Whether the CPU can read none of its memory.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, AnyProvider::NetIov(_))
    }
}

impl fmt::Display for AnyProvider {
    /// What the provider [says](MemoryProvider::describe) it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        either!(self, provider => provider.describe(f))
    }
}

impl fmt::Debug for AnyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A provider that has said `Ok` to a pool. Dropping it tells the provider that the pool is gone.
pub(crate) struct Installed {
    provider: AnyProvider,
    wants_sync: bool,
}

impl Installed {
    /// Asks the provider, and gives the size of its pieces.
    pub(super) fn new(provider: AnyProvider, params: &PagePoolParams) -> Result<(Self, u32), ProviderError> {
        let size = either!(&provider, provider => provider.init(params))?;
        // From here on the provider is told of the end, also when the next call panics.
        let mut installed = Installed { provider, wants_sync: false };
        installed.wants_sync = either!(&installed.provider, provider => provider.wants_sync());
        Ok((installed, size))
    }

    /// Returns whether the memory is synced when it changes hands, as the provider said when the pool was made.
    pub(crate) fn wants_sync(&self) -> bool {
        self.wants_sync
    }
}

impl Deref for Installed {
    type Target = AnyProvider;

    fn deref(&self) -> &AnyProvider {
        &self.provider
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        either!(&self.provider, provider => provider.destroy());
    }
}

/// Which providers a pool of a kind takes: for [`Page`] and [`NetIov`] one of that kind (rule P2), for `PageOrIov` any.
#[diagnostic::on_unimplemented(message = "there is no page pool of kind `{Self}`")]
pub trait PoolKind: Kind {
    /// The provider.
    type Provider: Into<AnyProvider>;
}

#[diagnostic::do_not_recommend]
impl PoolKind for Page {
    type Provider = Arc<dyn MemoryProvider<Kind = Page>>;
}
#[diagnostic::do_not_recommend]
impl PoolKind for NetIov {
    type Provider = Arc<dyn MemoryProvider<Kind = NetIov>>;
}
#[diagnostic::do_not_recommend]
impl PoolKind for PageOrIov {
    type Provider = AnyProvider;
}
