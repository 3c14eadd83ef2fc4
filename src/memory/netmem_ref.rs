//! [`NetmemRef`]: the one-word handle, and the casts.

use super::{Backing, DmaAddr, Kind, NetIov, NetmemDesc, Page, PageOrIov, PoolId};
use crate::assert::assert_not_impl_any;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use static_assertions::{assert_eq_size, assert_impl_all};

/// Bit 0 of the word: set for a net_iov.
const NET_IOV: usize = 1;

/// The word: a pointer to a [`Page`], or one to a [`NetIov`] with bit 0 set. All tagging is here.
///
/// # Invariants
///
/// Untagged, it points to a whole `Page` or `NetIov`, with provenance over all of it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Raw(NonNull<NetmemDesc>);

impl Raw {
    /// Tags nothing: a page's word is its address.
    #[inline(always)]
    pub(crate) fn page(page: NonNull<Page>) -> Self {
        // CAST: the descriptor is the first field of a page. INVARIANT: provenance is that of the page.
        Raw(page.cast())
    }

    /// Sets the tag of a net_iov.
    #[inline(always)]
    pub(crate) fn net_iov(iov: NonNull<NetIov>) -> Self {
        // CAST: the descriptor is the first field of a net_iov.
        let desc = iov.cast::<NetmemDesc>();
        // SAFETY: one byte into an object of 64 stays inside it. INVARIANT: provenance is that of the net_iov.
        Raw(unsafe { desc.byte_add(NET_IOV) })
    }

    /// A word that came back from a slot or from C.
    #[inline(always)]
    pub(crate) fn from_word(word: NonNull<()>) -> Self {
        Raw(word.cast())
    }

    /// The word with its tag, for a slot or for C.
    #[inline(always)]
    pub(crate) fn word(self) -> NonNull<()> {
        self.0.cast()
    }

    /// Whether it is a net_iov: by the kind where that decides, else by the tag.
    #[inline(always)]
    pub(crate) fn is_net_iov<K: Kind>(self) -> bool {
        match K::IOV {
            Some(iov) => iov,
            None => self.0.addr().get() & NET_IOV != 0,
        }
    }

    /// The pointer without its tag.
    ///
    /// # Safety
    ///
    /// The word is of kind `K`.
    #[inline(always)]
    pub(crate) unsafe fn untag<K: Kind>(self) -> NonNull<NetmemDesc> {
        match K::IOV {
            Some(false) => self.0,
            // SAFETY: kind `NetIov` says that the tag is set, so this takes back what `net_iov` added.
            Some(true) => unsafe { self.0.byte_sub(NET_IOV) },
            None => {
                let desc = self.0.as_ptr().map_addr(|addr| addr & !NET_IOV);
                // SAFETY: a page or net_iov is aligned to 8, so clearing bit 0 leaves its address, which is not null.
                unsafe { NonNull::new_unchecked(desc) }
            }
        }
    }
}

// SAFETY: a word is an address; what may be done with it is decided by the handle around it.
unsafe impl Send for Raw {}
// SAFETY: as above.
unsafe impl Sync for Raw {}

/// A borrowed handle on a piece of network memory: one word, `Copy`, tag in bit 0. This is `netmem_ref`.
///
/// Where C has an `unsigned long` that only sparse tells from an integer, here is a type, and the kind `K` says what is
/// known of the tag. Everyone who can deal with memory that is not the host's takes `NetmemRef<'_>`; who has a page
/// gets there by a cast, and never back without asking:
///
/// ```
/// use netmem::{Backing, NetIov, NetmemRef, Page, PageOrIov, mm::Zone};
///
/// fn who_can_deal_with_both(memory: NetmemRef<'_>) -> bool {
///     memory.is_net_iov()
/// }
///
/// let zone = Zone::new(1)?;
/// let page = zone.alloc(0).expect("one page is free");
/// // the cast of the thread
/// assert!(!who_can_deal_with_both(NetmemRef::from(page.page())));
/// // the checked way back recovers what went in
/// let memory: NetmemRef<'_> = page.page().into();
/// match memory.backing() {
///     Backing::Page(same) => assert!(std::ptr::eq(same, page.page())),
///     Backing::NetIov(_) => unreachable!(),
/// }
/// # Ok::<(), netmem::mm::ZoneError>(())
/// ```
///
/// # Invariants
///
/// The word is of kind `K`, and the `Page` or `NetIov` lives for `'a`.
#[repr(transparent)]
pub struct NetmemRef<'a, K: Kind = PageOrIov> {
    raw: Raw,
    _borrows: PhantomData<&'a K>,
}

assert_eq_size!(Option<NetmemRef<'static>>, usize);
assert_impl_all!(NetmemRef<'static>: Copy, Send, Sync);
assert_not_impl_any!(NetmemRef<'static>: Default, core::ops::Deref, From<usize>, Into<usize>, zerocopy::TryFromBytes, zerocopy::FromZeros);
assert_not_impl_any!(NetmemRef<'static, NetIov>: core::ops::Deref, AsRef<Page>, core::borrow::Borrow<Page>,
    Into<NetmemRef<'static, Page>>, TryInto<NetmemRef<'static, Page>>, Into<&'static Page>, TryInto<&'static Page>);
assert_not_impl_any!(NetmemRef<'static, Page>: Into<NetmemRef<'static, NetIov>>, TryInto<NetmemRef<'static, NetIov>>);
assert_not_impl_any!(NetmemRef<'static, PageOrIov>: Into<NetmemRef<'static, Page>>, Into<NetmemRef<'static, NetIov>>,
    Into<&'static Page>, Into<&'static NetIov>);

impl<K: Kind> Clone for NetmemRef<'_, K> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Kind> Copy for NetmemRef<'_, K> {}

/// Two handles are equal when they name the same memory.
impl<K: Kind> PartialEq for NetmemRef<'_, K> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}
impl<K: Kind> Eq for NetmemRef<'_, K> {}

impl<'a, K: Kind> NetmemRef<'a, K> {
    /// Wraps a word.
    ///
    /// # Safety
    ///
    /// `raw` is of kind `K`, and the memory it names lives for `'a`.
    #[inline(always)]
    pub(crate) unsafe fn new(raw: Raw) -> Self {
        // INVARIANT: the caller promises what the type demands.
        NetmemRef { raw, _borrows: PhantomData }
    }

    /// The handle of a `netmem_ref` that came from C.
    ///
    /// It takes a pointer and not an integer, so that no address can be made up without a cast that says so.
    ///
    /// # Safety
    ///
    /// `word` has the bits of a `netmem_ref`: the address of a live `struct page`, or that of a live `struct net_iov`
    /// plus 1, laid out as in Linux 7.3 ([`layout`](crate::memory::layout)), with provenance over all of it. A
    /// known kind `K` agrees with the tag. It stays live for `'a`, and nobody writes its fields but atomically.
    #[inline(always)]
    pub unsafe fn from_raw(word: NonNull<()>) -> Self {
        // SAFETY: promised by the caller.
        unsafe { Self::new(Raw::from_word(word)) }
    }

    /// Returns the bits of C's `netmem_ref`, tag included. It gives up nothing: the handle is `Copy`.
    #[inline(always)]
    pub fn as_raw(self) -> NonNull<()> {
        self.raw.word()
    }

    /// Says which kind the memory is of.
    ///
    /// # Safety
    ///
    /// The memory is of kind `H`.
    #[inline(always)]
    unsafe fn assume<H: Kind>(self) -> NetmemRef<'a, H> {
        // SAFETY: the same memory; the caller promises the kind.
        unsafe { NetmemRef::new(self.raw) }
    }

    /// Forgets the kind.
    #[inline(always)]
    pub(crate) fn into_any(self) -> NetmemRef<'a> {
        // SAFETY: every kind is `PageOrIov`.
        unsafe { self.assume() }
    }

    /// Whether it is a net_iov. Free for a known kind.
    #[inline(always)]
    #[doc(alias = "netmem_is_net_iov")]
    #[doc(alias = "skb_frag_is_net_iov")]
    pub fn is_net_iov(self) -> bool {
        self.raw.is_net_iov::<K>()
    }

    /// The view that page and net_iov share.
    #[inline(always)]
    #[doc(alias = "netmem_to_nmdesc")]
    #[doc(alias = "__netmem_to_nmdesc")]
    pub fn desc(self) -> &'a NetmemDesc {
        // SAFETY: the word is of kind `K` by the type's invariant.
        let desc = unsafe { self.raw.untag::<K>() };
        // SAFETY: the memory, of which the descriptor is the first field, lives for `'a` by the type's invariant.
        unsafe { desc.as_ref() }
    }

    /// The pool that owns this memory, if one does. Of memory that is not a pool's ([`NetmemDesc::is_pp`]) the word may
    /// mean something else.
    #[inline(always)]
    #[doc(alias = "netmem_get_pp")]
    #[doc(alias = "__netmem_get_pp")]
    pub fn pp(self) -> Option<PoolId> {
        self.desc().pp()
    }

    /// Where a device finds this memory; 0 if its pool does not map, and old once its pool is gone.
    #[inline(always)]
    #[doc(alias = "netmem_get_dma_addr")]
    #[doc(alias = "page_pool_get_dma_addr_netmem")]
    #[doc(alias = "page_pool_get_dma_addr")]
    pub fn dma_addr(self) -> DmaAddr {
        self.desc().dma_addr()
    }

    /// Returns how many references the pool's handles hold together.
    #[inline(always)]
    #[doc(alias = "netmem_get_pp_ref_count_ref")]
    pub fn pp_ref_count(self) -> usize {
        self.desc().pp_ref_count()
    }

    /// Asks the tag: the checked way to a `&Page` or a `&NetIov`.
    #[inline(always)]
    #[doc(alias = "netmem_to_page")]
    #[doc(alias = "__netmem_to_page")]
    #[doc(alias = "netmem_to_net_iov")]
    pub fn backing(self) -> Backing<&'a Page, &'a NetIov> {
        if self.is_net_iov() {
            // SAFETY: the tag says net_iov.
            Backing::NetIov(unsafe { self.assume::<NetIov>() }.net_iov())
        } else {
            // SAFETY: the tag says page.
            Backing::Page(unsafe { self.assume::<Page>() }.page())
        }
    }
}

impl<'a> NetmemRef<'a, Page> {
    /// The page: no check, the kind says so.
    #[inline(always)]
    #[doc(alias = "netmem_to_page")]
    #[doc(alias = "__netmem_to_page")]
    pub fn page(self) -> &'a Page {
        // SAFETY: kind `Page` and `'a` by the type's invariant; an untagged word is the page's address.
        unsafe { self.raw.word().cast().as_ref() }
    }
}

impl<'a> NetmemRef<'a, NetIov> {
    /// The net_iov: no check, the kind says so.
    #[inline(always)]
    #[doc(alias = "netmem_to_net_iov")]
    pub fn net_iov(self) -> &'a NetIov {
        // SAFETY: kind `NetIov` by the type's invariant.
        let desc = unsafe { self.raw.untag::<NetIov>() };
        // SAFETY: it lives for `'a` by the type's invariant, and provenance covers it whole.
        unsafe { desc.cast().as_ref() }
    }
}

impl<K: Kind> fmt::Debug for NetmemRef<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_net_iov() { "net_iov" } else { "page" };
        write!(f, "NetmemRef({what} {:p})", self.desc())
    }
}

// The casts: page or net_iov to the handle, a known kind to the open one. This is the whole list.

impl<'a> From<&'a Page> for NetmemRef<'a, Page> {
    #[inline(always)]
    #[doc(alias = "page_to_netmem")]
    fn from(page: &'a Page) -> Self {
        // SAFETY: an untagged word of a page borrowed for `'a`.
        unsafe { Self::new(Raw::page(page.into())) }
    }
}

impl<'a> From<&'a Page> for NetmemRef<'a> {
    #[inline(always)]
    fn from(page: &'a Page) -> Self {
        // SAFETY: an untagged word of a page borrowed for `'a`.
        unsafe { Self::new(Raw::page(page.into())) }
    }
}

impl<'a> From<&'a NetIov> for NetmemRef<'a, NetIov> {
    #[inline(always)]
    #[doc(alias = "net_iov_to_netmem")]
    fn from(iov: &'a NetIov) -> Self {
        // SAFETY: a tagged word of a net_iov borrowed for `'a`.
        unsafe { Self::new(Raw::net_iov(iov.into())) }
    }
}

impl<'a> From<&'a NetIov> for NetmemRef<'a> {
    #[inline(always)]
    fn from(iov: &'a NetIov) -> Self {
        // SAFETY: a tagged word of a net_iov borrowed for `'a`.
        unsafe { Self::new(Raw::net_iov(iov.into())) }
    }
}

impl<'a> From<NetmemRef<'a, Page>> for NetmemRef<'a> {
    #[inline(always)]
    fn from(memory: NetmemRef<'a, Page>) -> Self {
        memory.into_any()
    }
}

impl<'a> From<NetmemRef<'a, NetIov>> for NetmemRef<'a> {
    #[inline(always)]
    fn from(memory: NetmemRef<'a, NetIov>) -> Self {
        memory.into_any()
    }
}

// The checked ways back. The error is the handle, as what it is.

impl<'a> TryFrom<NetmemRef<'a>> for NetmemRef<'a, Page> {
    type Error = NetmemRef<'a, NetIov>;

    #[inline(always)]
    fn try_from(memory: NetmemRef<'a>) -> Result<Self, Self::Error> {
        match memory.backing() {
            Backing::Page(page) => Ok(page.into()),
            Backing::NetIov(iov) => Err(iov.into()),
        }
    }
}

impl<'a> TryFrom<NetmemRef<'a>> for NetmemRef<'a, NetIov> {
    type Error = NetmemRef<'a, Page>;

    #[inline(always)]
    fn try_from(memory: NetmemRef<'a>) -> Result<Self, Self::Error> {
        match memory.backing() {
            Backing::Page(page) => Err(page.into()),
            Backing::NetIov(iov) => Ok(iov.into()),
        }
    }
}
