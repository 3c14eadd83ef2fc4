//! [`PagePoolParams`]: how a pool is asked for, and why it is refused.

use super::{InitCallback, PoolHooks, ProviderError};
use crate::alloc::Arc;
use crate::dma::{DmaDevice, DmaDirection};
use crate::error::errno::{EINVAL, ENOMEM, EOPNOTSUPP};
use crate::mm::{MAX_ORDER, PAGE_SIZE};
use core::fmt;

bitflags::bitflags! {
    /// What a pool does for its driver: `PP_FLAG_*`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct PoolFlags: u32 {
        /// The pool maps its memory for the device.
        #[doc(alias = "PP_FLAG_DMA_MAP")]
        const DMA_MAP = 1 << 0;
        /// The pool syncs for the device whatever it hands out. A pool that maps must, where the device needs it and
        /// the provider's memory wants it: nobody else would.
        #[doc(alias = "PP_FLAG_DMA_SYNC_DEV")]
        const DMA_SYNC_DEV = 1 << 1;
    }
}

pub(crate) const CACHE: usize = 128;
pub(crate) const REFILL: usize = if cfg!(loom) { 2 } else { 64 };

/// Parameters of a pool: `struct page_pool_params`.
///
/// ```
/// use netmem::page_pool::{PagePool, PagePoolParams, PoolError};
/// use netmem::{mm::Zone, provider::PageProvider, Page};
///
/// let provider = PageProvider::new(Zone::new(256)?);
/// let pool = PagePool::<Page>::new(PagePoolParams::default(), provider.clone())?;
/// assert_eq!(pool.piece_size(), 4096);
/// let refused = PagePool::<Page>::new(PagePoolParams { order: 11, ..Default::default() }, provider);
/// assert!(matches!(refused, Err(PoolError::Provider(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct PagePoolParams {
    /// What the pool does for its driver.
    pub flags: PoolFlags,
    /// log2 of how many pages one piece of memory has, 0 to [`MAX_ORDER`].
    pub order: u32,
    /// Slots of the ring; 0 means [`DEFAULT_RING`](Self::DEFAULT_RING), more than [`MAX_RING`](Self::MAX_RING) means that.
    pub pool_size: u32,
    /// The device, if there is one.
    pub device: Option<Arc<dyn DmaDevice>>,
    /// Which way data goes.
    pub direction: DmaDirection,
    /// First byte that the device may write, for syncs.
    pub offset: u32,
    /// How many bytes the device may write from `offset` on, for syncs. With `DMA_SYNC_DEV` at least 1.
    pub max_len: u32,
    /// The NUMA node that pages should be of; `None` takes any, where Linux takes the node of the CPU that refills. Pages
    /// of another node that come back leave the pool.
    pub nid: Option<i32>,
    /// Who wants to know when memory enters the pool or leaves it.
    pub hooks: Option<Arc<dyn PoolHooks>>,
    /// Prepares each piece of memory when it enters the pool.
    pub init_callback: Option<InitCallback>,
    /// How many bytes each piece must have, as the queue was asked when it was bound: a power of two, at least 4096. 0
    /// means no wish: the order decides, or the provider. One that has other pieces refuses.
    pub rx_page_size: u32,
    /// The receive queue that the pool is for, from 0. A kernel looks there for memory that is bound; the model does not look.
    pub queue_idx: u32,
}

impl PagePoolParams {
    /// How many handles a pool's cache holds.
    #[doc(alias = "PP_ALLOC_CACHE_SIZE")]
    pub const CACHE: usize = CACHE;
    /// How many handles a refill brings.
    #[doc(alias = "PP_ALLOC_CACHE_REFILL")]
    pub const REFILL: usize = REFILL;
    /// The slots of the ring when `pool_size` is 0.
    pub const DEFAULT_RING: u32 = 1024;
    /// The longest ring there is; a longer one is cut to this.
    pub const MAX_RING: u32 = 16384;

    /// Parameters of a pool that maps its memory for `device` and syncs the first `max_len` bytes of each piece. Order 0.
    /// How large a piece is the provider says.
    pub fn for_device(device: Arc<dyn DmaDevice>, max_len: u32) -> Self {
        PagePoolParams {
            flags: PoolFlags::DMA_MAP | PoolFlags::DMA_SYNC_DEV,
            device: Some(device),
            max_len,
            ..Default::default()
        }
    }

    /// Refuses parameters that ask for net_iovs of another size than `has`, by `rx_page_size` or by the order. A pool of
    /// order 0 without a wish takes what there is. A provider of net_iovs calls it in
    /// [`init`](super::MemoryProvider::init).
    ///
    /// ```
    /// use netmem::page_pool::{PagePoolParams, ProviderError};
    ///
    /// let params = PagePoolParams { rx_page_size: 65536, ..Default::default() };
    /// assert_eq!(params.check_piece_size(65536), Ok(()));
    /// assert_eq!(params.check_piece_size(4096), Err(ProviderError::PieceSize { asked: 65536, has: 4096 }));
    /// assert_eq!(PagePoolParams::default().check_piece_size(65536), Ok(()));
    /// ```
    ///
    /// # Errors
    ///
    /// [`ProviderError::PieceSize`], with the size that was asked for.
    pub fn check_piece_size(&self, has: u32) -> Result<(), ProviderError> {
        let by_order = u32::try_from((PAGE_SIZE as u64) << self.order.min(31)).unwrap_or(u32::MAX);
        let asked = match (self.rx_page_size, self.order) {
            (0, 0) => has,
            (0, _) => by_order,
            (size, 0) => size,
            // A pool refuses two that differ; a caller without a pool gets the one that does not fit.
            (size, _) if size == has => by_order,
            (size, _) => size,
        };
        if asked == has { Ok(()) } else { Err(ProviderError::PieceSize { asked, has }) }
    }

    /// Checks what does not depend on the provider.
    pub(super) fn check(&self) -> Result<(), PoolError> {
        let unknown = self.flags.bits() & !PoolFlags::all().bits();
        if unknown != 0 {
            return Err(PoolError::UnknownFlags { bits: unknown });
        }
        if self.flags.contains(PoolFlags::DMA_MAP) {
            if self.device.is_none() {
                return Err(PoolError::NoDevice);
            }
            if !self.direction.device_writes() {
                return Err(PoolError::Direction { direction: self.direction });
            }
        }
        if self.flags.contains(PoolFlags::DMA_SYNC_DEV) {
            if !self.flags.contains(PoolFlags::DMA_MAP) {
                return Err(PoolError::SyncWithoutMap);
            }
            if self.max_len == 0 {
                return Err(PoolError::NothingToSync);
            }
        }
        let size = self.rx_page_size;
        if size != 0 && (!size.is_power_of_two() || (size as usize) < PAGE_SIZE) {
            return Err(PoolError::RxPageSize { size });
        }
        if size != 0 && self.order != 0 && u64::from(size) != (PAGE_SIZE as u64) << self.order.min(MAX_ORDER + 1) {
            return Err(PoolError::TwoSizes { size, order: self.order });
        }
        Ok(())
    }

    /// Returns the length of the ring.
    pub(crate) fn ring_size(&self) -> usize {
        match self.pool_size {
            0 => Self::DEFAULT_RING as usize,
            size => size.min(Self::MAX_RING) as usize,
        }
    }

    /// Checks the range to sync against the memory.
    pub(super) fn check_range(&self, piece_size: u32) -> Result<(), PoolError> {
        if self.offset.checked_add(self.max_len).is_none_or(|end| end > piece_size) {
            return Err(PoolError::SyncRange { offset: self.offset, max_len: self.max_len, piece_size });
        }
        Ok(())
    }
}

impl fmt::Debug for PagePoolParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PagePoolParams")
            .field("flags", &self.flags)
            .field("order", &self.order)
            .field("pool_size", &self.pool_size)
            .field("device", &self.device.is_some())
            .field("direction", &self.direction)
            .field("offset", &self.offset)
            .field("max_len", &self.max_len)
            .field("nid", &self.nid)
            .field("hooks", &self.hooks.is_some())
            .field("init_callback", &self.init_callback.is_some())
            .field("rx_page_size", &self.rx_page_size)
            .finish()
    }
}

/// Why there is no pool.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// Flags nobody knows.
    #[error("pool flags {bits:#x} are unknown: use those of PoolFlags")]
    UnknownFlags {
        /// The bits that have no name.
        bits: u32,
    },
    /// `DMA_MAP` without a device.
    #[error("DMA_MAP without a device: set `device`, or leave the flag out")]
    NoDevice,
    /// A receive pool that the device would only read.
    #[error("DMA_MAP with direction {direction:?}: a pool maps FromDevice or Bidirectional")]
    Direction {
        /// The direction that was asked for.
        direction: DmaDirection,
    },
    /// Nothing is mapped that could be synced.
    #[error("DMA_SYNC_DEV without DMA_MAP: set both, or leave both out")]
    SyncWithoutMap,
    /// A sync of no bytes.
    #[error("DMA_SYNC_DEV with max_len 0: set max_len to what the device may write")]
    NothingToSync,
    /// A size that no piece can have.
    #[error("rx_page_size {size} is not possible: use a power of two of at least 4096, or 0 for the provider's own")]
    RxPageSize {
        /// The size that was asked for, in bytes.
        size: u32,
    },
    /// Order and `rx_page_size` ask for different things.
    #[error("rx_page_size {size} and order {order} ask for pieces of two sizes: leave one of them 0")]
    TwoSizes {
        /// As asked for.
        size: u32,
        /// As asked for.
        order: u32,
    },
    /// The pool would map and not sync, for a device that needs syncs. (Linux takes such parameters: there a driver may
    /// sync by itself. Here only pools do.)
    #[error("the device needs syncs, and this pool would give it memory without: set DMA_SYNC_DEV and max_len as well")]
    NeverSynced,
    /// A provider of pages says that its memory wants no sync, for a device that needs it: the CPU would read old bytes.
    #[error(
        "the device needs syncs, and a provider of pages says that its memory wants none: let `wants_sync` return true, \
         because pages are read by the CPU"
    )]
    ReadableUnsynced,
    /// The range to sync leaves the memory.
    #[error("offset {offset} and max_len {max_len} leave a memory of {piece_size} bytes: keep the sum within it")]
    SyncRange {
        /// As asked for.
        offset: u32,
        /// As asked for.
        max_len: u32,
        /// What the provider gives.
        piece_size: u32,
    },
    /// The provider has pieces of a size that none has.
    #[error(
        "the provider has pieces of {size} bytes for order {order}: pages have 4096 << order, net_iovs a power of two"
    )]
    PieceSize {
        /// What it said.
        size: u32,
        /// The order that was asked for.
        order: u32,
    },
    /// The provider refused.
    #[error("the memory provider refused: {0}")]
    Provider(#[from] ProviderError),
    /// No memory for the pool itself.
    #[error("no memory for the pool: use a shorter ring")]
    NoMemory,
    /// The kernel below refused the pool.
    #[cfg(netmem_backend = "linux")]
    #[error("the kernel refused the pool with errno {errno}: see its log")]
    Kernel {
        /// The error number, positive.
        errno: i32,
    },
}

impl PoolError {
    /// Returns what `page_pool_create` returns, from `page_pool_init`. A pool of Linux has no `rx_page_size`: EINVAL
    /// for one that is no power of two is that of `netdev_nl_bind_rx_doit`. Linux has no refusal for a missing device,
    /// a range to sync that leaves the memory, sizes that differ, and memory without syncs; EINVAL and EOPNOTSUPP are
    /// the nearest.
    pub fn errno(&self) -> i32 {
        match self {
            PoolError::UnknownFlags { .. }
            | PoolError::NoDevice
            | PoolError::Direction { .. }
            | PoolError::SyncWithoutMap
            | PoolError::NothingToSync
            | PoolError::RxPageSize { .. }
            | PoolError::TwoSizes { .. }
            | PoolError::SyncRange { .. }
            | PoolError::PieceSize { .. } => EINVAL,
            PoolError::NeverSynced | PoolError::ReadableUnsynced => EOPNOTSUPP,
            PoolError::Provider(reason) => reason.errno(),
            PoolError::NoMemory => ENOMEM,
            #[cfg(netmem_backend = "linux")]
            PoolError::Kernel { errno } => *errno,
        }
    }
}

/// Refuses an order that no page allocator serves. For providers.
pub(crate) fn check_order(order: u32) -> Result<(), ProviderError> {
    if order > MAX_ORDER { Err(ProviderError::Order { order, max: MAX_ORDER }) } else { Ok(()) }
}
