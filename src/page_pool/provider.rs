//! [`MemoryProvider`]: where a pool gets memory and gives it back.

use super::core::Core;
use super::{AreaError, FreeIov, Netmem, PagePoolParams};
use crate::memory::{Kind, NetIov, Page, PageOrIov};
use crate::mm::FreePage;
use alloc::sync::Arc;
use core::marker::PhantomData;

/// A kind that memory really has: [`Page`] or [`NetIov`]. Sealed. `PageOrIov` is what one knows, not what it is.
#[diagnostic::on_unimplemented(
    message = "a memory provider provides `Page` or `NetIov`, not `{Self}` (rule P1)",
    label = "no memory is of this kind",
    note = "one provider has one kind of memory; a pool of `PageOrIov` takes a provider of either"
)]
pub trait MemoryKind: Kind + Sized {
    /// The memory while it is nobody's: [`FreePage`] or [`FreeIov`].
    type Free: Send;

    /// Takes memory into a pool, or hands it back.
    #[doc(hidden)]
    fn admit(core: &mut Core, memory: Self::Free) -> Result<(), Self::Free>;

    /// Forgets which kind a provider provides.
    #[doc(hidden)]
    fn any(provider: Arc<dyn MemoryProvider<Kind = Self>>) -> AnyProvider;
}

#[diagnostic::do_not_recommend]
impl MemoryKind for Page {
    type Free = FreePage;

    fn admit(core: &mut Core, memory: FreePage) -> Result<(), FreePage> {
        core.admit_page(memory)
    }

    fn any(provider: Arc<dyn MemoryProvider<Kind = Page>>) -> AnyProvider {
        AnyProvider::Page(provider)
    }
}

#[diagnostic::do_not_recommend]
impl MemoryKind for NetIov {
    type Free = FreeIov;

    fn admit(core: &mut Core, memory: FreeIov) -> Result<(), FreeIov> {
        core.admit_iov(memory)
    }

    fn any(provider: Arc<dyn MemoryProvider<Kind = NetIov>>) -> AnyProvider {
        AnyProvider::NetIov(provider)
    }
}

/// Where a pool gets memory and gives it back: `struct memory_provider_ops`.
///
/// A provider hands out free memory by value and gets it back by value (rule O5), so handing the same piece out twice
/// does not compile and the trait needs no `unsafe`. It provides one kind and cannot return the other (rule P1). The
/// pool holds no lock while it calls one. C's `destroy` is `Drop`; `nl_fill` has no counterpart.
///
/// ```
/// use netmem::page_pool::{MemoryProvider, PagePool, PagePoolParams, Refill, Refused};
/// use netmem::{mm::{FreePage, Zone, PAGE_SIZE}, Page};
/// use std::sync::{Arc, Mutex};
///
/// /// Pages that were set aside, and no more.
/// struct SetAside(Mutex<Vec<FreePage>>);
///
/// impl MemoryProvider for SetAside {
///     type Kind = Page;
///
///     fn init(&self, params: &PagePoolParams) -> Result<u32, Refused> {
///         if params.order == 0 { Ok(PAGE_SIZE as u32) } else { Err(Refused::Order { order: params.order, max: 0 }) }
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
    /// [`Refused`], with the reason; there will be no pool.
    fn init(&self, params: &PagePoolParams) -> Result<u32, Refused>;

    /// Fills `out`, up to what it wants; nothing when nothing is left.
    #[doc(alias = "alloc_netmems")]
    fn alloc(&self, out: &mut Refill<'_, Self::Kind>);

    /// Takes a piece back. Runs inside the put that was the last, on any thread: it must not block, and should it panic,
    /// the pool leaks, with its memory and mappings. A provider that keeps handles of its own pool keeps both for ever.
    #[doc(alias = "release_netmem")]
    fn release(&self, memory: <Self::Kind as MemoryKind>::Free);

    /// Whether its memory is synced when it changes hands between CPU and device (rule D3): pages and the user's memory
    /// are, a dma-buf is not. Asked once, when a pool is made.
    fn wants_sync(&self) -> bool {
        true
    }
}

/// Why a provider does not serve a pool.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// E2BIG or EINVAL: an order that it does not have.
    #[error("no memory of order {order}: use at most {max}")]
    Order {
        /// What was asked for.
        order: u32,
        /// What it has at most.
        max: u32,
    },
    /// EOPNOTSUPP: the pool would not let the device reach it.
    #[error("device memory needs a pool that maps and syncs: set DMA_MAP and DMA_SYNC_DEV")]
    NeedsDma,
    /// The memory was mapped for another device.
    #[error("the memory is mapped for another device than the pool's: bind it to this one")]
    OtherDevice,
    /// It could not be cut up.
    #[error(transparent)]
    Area(#[from] AreaError),
    /// Anything else.
    #[error("{0}")]
    Other(&'static str),
}

/// Where a provider puts memory: the cache of the pool that asks, for the length of one call.
pub struct Refill<'p, M: MemoryKind> {
    core: &'p mut Core,
    wanted: usize,
    _kind: PhantomData<M>,
}

impl<'p, M: MemoryKind> Refill<'p, M> {
    pub(super) fn new(core: &'p mut Core, wanted: usize) -> Self {
        Refill { core, wanted, _kind: PhantomData }
    }

    /// How many pieces the pool still takes.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// log2 of how many pages a piece must have.
    pub fn order(&self) -> u32 {
        self.core.order()
    }

    /// The NUMA node that the pool wants its pages from, if it has a wish.
    pub fn nid(&self) -> Option<i32> {
        self.core.nid()
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
        M::admit(self.core, memory)?;
        self.wanted -= 1;
        Ok(())
    }

    /// Memory that comes back and is counted already (a user's refill ring): one reference, dropped here.
    pub fn recycle(&mut self, memory: Netmem<M>) {
        self.core.recycle_direct(memory, u32::MAX);
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

impl AnyProvider {
    pub(super) fn init(&self, params: &PagePoolParams) -> Result<u32, Refused> {
        match self {
            AnyProvider::Page(provider) => provider.init(params),
            AnyProvider::NetIov(provider) => provider.init(params),
        }
    }

    pub(super) fn wants_sync(&self) -> bool {
        match self {
            AnyProvider::Page(provider) => provider.wants_sync(),
            AnyProvider::NetIov(provider) => provider.wants_sync(),
        }
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
