//! [`NetmemDesc`]: what a page and a net_iov have in common.

use super::{DmaAddr, NetIov, Page};
use crate::assert::assert_not_impl_any;
use crate::sync::{AtomicIsize, AtomicPtr, AtomicUsize};
use core::fmt;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::Ordering::Relaxed;
use static_assertions::assert_impl_all;

/// The fields that the page pool shares between its two kinds of memory: `struct netmem_desc`.
///
/// It is the first 48 bytes of a [`Page`] and of a [`NetIov`], the "iov view" of the 2023 thread. A reference to it is
/// free to get from either ([`Page::desc`], [`NetIov::desc`], or `From`) and leads back to neither (rule C3).
///
/// # Invariants
///
/// While a pool owns the memory, `pp` points to that pool, `pp_magic` carries [`PP_SIGNATURE`](Self::PP_SIGNATURE), and
/// `pp_ref_count` is the number of references that handles hold.
///
/// ```
/// # use netmem::{mm::Zone, NetmemDesc};
/// let zone = Zone::new(4)?;
/// let page = zone.alloc(0).expect("four pages are free");
/// let desc: &NetmemDesc = page.page().into();
/// assert!(!desc.is_pp(), "no pool has it yet");
/// # Ok::<(), netmem::mm::ZoneError>(())
/// ```
#[repr(C)]
pub struct NetmemDesc {
    pub(super) flags: AtomicUsize,
    pub(super) pp_magic: AtomicUsize,
    pub(super) pp: AtomicPtr<()>,
    pub(super) pp_mapping_pad: AtomicUsize,
    pub(super) dma_addr: AtomicUsize,
    pub(super) pp_ref_count: AtomicIsize,
}

assert_impl_all!(NetmemDesc: Send, Sync);
assert_not_impl_any!(NetmemDesc: Clone, Copy, Default, core::ops::Deref, AsRef<Page>, AsRef<NetIov>,
    core::borrow::Borrow<Page>, core::borrow::Borrow<NetIov>, zerocopy::FromZeros, zerocopy::TryFromBytes, zerocopy::IntoBytes);
assert_not_impl_any!(&'static NetmemDesc: Into<&'static Page>, Into<&'static NetIov>, TryInto<&'static Page>, TryInto<&'static NetIov>);

/// Which pool owns a piece of memory. To be compared, not followed.
///
/// It is an address. A piece of memory keeps its pool, so no other pool has the address while the piece is there. A copy
/// that is kept longer may be the identity of a later pool, and no decision of this crate rests on such a copy.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct PoolId(NonNull<()>);

impl PoolId {
    /// The identity of the pool whose shared part is at `pool`.
    #[inline(always)]
    pub(crate) fn new(pool: NonNull<()>) -> Self {
        PoolId(pool)
    }

    /// The word that stands in `pp`.
    pub fn addr(self) -> usize {
        self.0.as_ptr() as usize
    }
}

impl fmt::Debug for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PoolId({:p})", self.0)
    }
}

// SAFETY: the pointer is an identity; no method of `PoolId` follows it.
unsafe impl Send for PoolId {}
// SAFETY: as above.
unsafe impl Sync for PoolId {}

impl NetmemDesc {
    /// What `pp_magic` holds, besides its other tenants, while a pool owns the memory: 0x40 over the poison delta
    /// of x86-64, `0xdead000000000000`.
    pub const PP_SIGNATURE: usize = 0xdead_0000_0000_0040;
    /// First bit of the DMA index in `pp_magic`.
    #[doc(alias = "PP_DMA_INDEX_SHIFT")]
    pub(crate) const DMA_INDEX_SHIFT: u32 = 7;
    /// How many bits the DMA index has: 32, bits 7 to 38.
    #[doc(alias = "PP_DMA_INDEX_BITS")]
    pub(crate) const DMA_INDEX_BITS: u32 = 32;
    const DMA_INDEX_MASK: usize = ((1_usize << Self::DMA_INDEX_BITS) - 1) << Self::DMA_INDEX_SHIFT;
    /// Bits of `pp_magic` that belong to others: 0 says tail page, 1 says pfmemalloc.
    const FOREIGN_BITS: usize = 0x3;

    /// A descriptor nobody has written to.
    pub(crate) fn new() -> Self {
        NetmemDesc {
            flags: AtomicUsize::new(0),
            pp_magic: AtomicUsize::new(0),
            pp: AtomicPtr::new(null_mut()),
            pp_mapping_pad: AtomicUsize::new(0),
            dma_addr: AtomicUsize::new(0),
            pp_ref_count: AtomicIsize::new(0),
        }
    }

    /// The magic word without the DMA index.
    #[doc(alias = "netmem_get_pp_magic")]
    pub fn pp_magic(&self) -> usize {
        self.pp_magic.load(Relaxed) & !Self::DMA_INDEX_MASK
    }

    /// Whether a page pool owns this memory.
    #[doc(alias = "netmem_is_pp")]
    #[doc(alias = "page_pool_page_is_pp")]
    pub fn is_pp(&self) -> bool {
        self.pp_magic() & !Self::FOREIGN_BITS == Self::PP_SIGNATURE
    }

    /// The pool that owns this memory, if one does. Of memory that is not a pool's ([`NetmemDesc::is_pp`]) the word may
    /// mean something else.
    #[inline(always)]
    #[doc(alias = "netmem_get_pp")]
    #[doc(alias = "page_pool_get_pp")]
    pub fn pp(&self) -> Option<PoolId> {
        NonNull::new(self.pp.load(Relaxed)).map(PoolId)
    }

    /// Where a device finds this memory. Meaningful while the pool that mapped it is there.
    #[inline(always)]
    #[doc(alias = "netmem_get_dma_addr")]
    #[doc(alias = "page_pool_get_dma_addr_netmem")]
    #[doc(alias = "page_pool_get_dma_addr")]
    pub fn dma_addr(&self) -> DmaAddr {
        // SAFETY: the field holds 0 or what the mapping of this memory gave. When a pool goes before its memory, it
        // unmaps by index and leaves the number here, where it reaches nothing.
        unsafe { DmaAddr::from_raw(self.dma_addr.load(Relaxed)) }
    }

    /// Returns how many references the pool's handles hold together. For reports and tests: it may be old when it arrives.
    #[inline(always)]
    #[doc(alias = "netmem_get_pp_ref_count_ref")]
    pub fn pp_ref_count(&self) -> usize {
        self.pp_ref_count.load(Relaxed) as usize
    }

    /// The counter itself, for the pool.
    #[inline(always)]
    pub(crate) fn pp_ref_count_ref(&self) -> &AtomicIsize {
        &self.pp_ref_count
    }

    /// The owner's word, for the pool.
    #[inline(always)]
    pub(crate) fn pp_ref(&self) -> &AtomicPtr<()> {
        &self.pp
    }

    /// Signs the memory over to `pool` with one reference. The DMA index and pfmemalloc, bit 1, stay.
    #[doc(alias = "netmem_set_pp")]
    #[doc(alias = "netmem_or_pp_magic")]
    pub(crate) fn set_owner(&self, pool: NonNull<()>) {
        let kept = self.pp_magic.load(Relaxed) & (Self::FOREIGN_BITS | Self::DMA_INDEX_MASK);
        self.pp_magic.store(kept | Self::PP_SIGNATURE, Relaxed);
        self.pp_ref_count.store(1, Relaxed);
        self.pp.store(pool.as_ptr(), Relaxed);
    }

    /// Takes the signature off again.
    #[doc(alias = "netmem_clear_pp_magic")]
    pub(crate) fn clear_owner(&self) {
        self.pp_magic.store(self.pp_magic.load(Relaxed) & Self::FOREIGN_BITS, Relaxed);
        self.pp.store(null_mut(), Relaxed);
    }

    /// Notes where the device finds the memory. `None` when the mapping has ended.
    #[doc(alias = "netmem_set_dma_addr")]
    pub(crate) fn set_dma_addr(&self, addr: Option<DmaAddr>) {
        self.dma_addr.store(addr.map_or(0, DmaAddr::as_raw), Relaxed);
    }

    /// The pool's index for the mapping of this page.
    #[doc(alias = "netmem_get_dma_index")]
    pub(crate) fn dma_index(&self) -> usize {
        (self.pp_magic.load(Relaxed) & Self::DMA_INDEX_MASK) >> Self::DMA_INDEX_SHIFT
    }

    /// Notes the pool's index for the mapping of this page. `index` must be below `1 << DMA_INDEX_BITS`.
    #[doc(alias = "netmem_set_dma_index")]
    pub(crate) fn set_dma_index(&self, index: usize) {
        debug_assert!(index >> Self::DMA_INDEX_BITS == 0);
        let rest = self.pp_magic.load(Relaxed) & !Self::DMA_INDEX_MASK;
        self.pp_magic.store(rest | index << Self::DMA_INDEX_SHIFT, Relaxed);
    }

    /// The word mm shares with the pool (`lru.next`, `compound_info`).
    pub(crate) fn mm_word(&self) -> &AtomicUsize {
        &self.pp_magic
    }
}

impl fmt::Debug for NetmemDesc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetmemDesc")
            .field("pp", &self.pp())
            .field("dma_addr", &self.dma_addr())
            .field("pp_ref_count", &self.pp_ref_count())
            .finish()
    }
}
