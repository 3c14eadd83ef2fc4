//! [`Netmem`]: one owned reference.

use super::idle::{Idle, unref};
use super::{Frag, Readable, Shares};
use crate::Refused;
use crate::assert::assert_not_impl_any;
use crate::backend::{Backend, Host};
use crate::dma::DeviceId;
use crate::error::errno::{EBUSY, EINVAL};
use crate::memory::{Backing, DmaAddr, Kind, NetIov, NetmemDesc, NetmemRef, Page, PageOrIov, Raw};
use crate::mm::page_ref_count;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{Acquire, Relaxed};
use static_assertions::assert_eq_size;

/// One owned reference to memory of a pool. Dropping it *is* the put (rule O1).
///
/// It goes back to the pool it came from, wherever and on whatever thread it is dropped. It is not `Clone`: a second
/// reference is taken with [`get`](Self::get) (rule O2). It gives identity and address; bytes only to who is alone
/// ([`bytes_mut`](Self::bytes_mut), [`into_frag`](Self::into_frag), rule O6).
///
/// ```
/// use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Netmem, Page};
///
/// let zone = Zone::new(64)?;
/// let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(zone.clone()))?;
/// let memory: Netmem<Page> = pool.alloc().expect("64 pages are free");
/// let second = memory.get();
/// drop(memory);
/// assert_eq!(second.pp_ref_count(), 1);
/// drop(pool);
/// drop(second); // the last handle frees the pool
/// assert_eq!(zone.free_frames(), 64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// `raw` is of kind `K` and names memory whose `pp` is a live pool; one of its `pp_ref_count` is this value.
#[repr(transparent)]
#[must_use = "dropping a handle puts it"]
pub struct Netmem<K: Kind = PageOrIov> {
    raw: Raw,
    _kind: PhantomData<K>,
}

assert_eq_size!(Option<Netmem>, usize);
assert_not_impl_any!(Netmem: Clone, Copy, Default, core::ops::Deref);
assert_not_impl_any!(Netmem<Page>: Clone, Copy, Default, core::ops::Deref);
assert_not_impl_any!(Netmem<NetIov>: Clone, Copy, Default, core::ops::Deref, Into<Netmem<Page>>, TryInto<Netmem<Page>>);
assert_not_impl_any!(Netmem<PageOrIov>: Into<Netmem<Page>>, Into<Netmem<NetIov>>);

// SAFETY: a count in an atomic; the put goes through a ring for many threads.
unsafe impl<K: Kind> Send for Netmem<K> {}
// SAFETY: `&Netmem` reads atomics, and raises a count.
unsafe impl<K: Kind> Sync for Netmem<K> {}

impl<K: Kind> Netmem<K> {
    /// Takes over one reference.
    ///
    /// # Safety
    ///
    /// What the type's invariant says, and the caller gives up the reference.
    #[inline(always)]
    pub(crate) unsafe fn new(raw: Raw) -> Self {
        // INVARIANT: the caller promises what the type demands.
        Netmem { raw, _kind: PhantomData }
    }

    /// Takes over a reference that C had: the bits of a `netmem_ref` and one of its `pp_ref_count`. Dropping the handle puts it.
    ///
    /// ```
    /// # use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Netmem, Page};
    /// # let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(Zone::new(64)?))?;
    /// let word = pool.alloc().expect("64 pages are free").into_raw(); // C has the reference
    /// // SAFETY: the word came from `into_raw` of a handle of the same kind, and nobody else has taken the reference back.
    /// let memory = unsafe { Netmem::<Page>::from_raw(word) };
    /// assert_eq!(memory.pp_ref_count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    ///
    /// - `word` is what [`NetmemRef::from_raw`] asks for, for as long as the handle lives.
    /// - The memory is a pool's: its `pp` is a pool of this backend that lives as long as somebody has a reference.
    /// - One of its `pp_ref_count` is the caller's, who gives it up.
    #[inline(always)]
    pub unsafe fn from_raw(word: NonNull<()>) -> Self {
        // INVARIANT: the caller promises what the type demands.
        Netmem { raw: Raw::from_word(word), _kind: PhantomData }
    }

    /// Gives the reference to C, as the bits of a `netmem_ref`. C puts it (`page_pool_put_full_netmem`), or gives it back to
    /// [`from_raw`](Self::from_raw); else it is leaked.
    #[inline(always)]
    pub fn into_raw(self) -> NonNull<()> {
        self.into_word().word()
    }

    /// Gives the reference to the caller.
    #[inline(always)]
    fn into_word(self) -> Raw {
        ManuallyDrop::new(self).raw
    }

    #[inline(always)]
    pub(crate) fn raw(&self) -> Raw {
        self.raw
    }

    /// Forgets the kind.
    #[inline(always)]
    fn into_any(self) -> Netmem {
        // SAFETY: the same reference, and every kind is `PageOrIov`.
        unsafe { Netmem::new(self.into_word()) }
    }

    /// Drops the reference. Returns the memory when it was the last.
    #[inline(always)]
    pub(crate) fn into_idle(self) -> Option<Idle<K>> {
        // Not dropped on any way out of here, also not when the count panics, as a model checker's does after a failure.
        let this = ManuallyDrop::new(self);
        let last = unref(this.desc(), 1);
        // SAFETY: that was the last reference, the count is 1 again, and the handle is gone.
        last.then(|| unsafe { Idle::new(this.raw) })
    }

    /// Borrows the handle: a [`NetmemRef`] is `Copy`, and does not outlive this reference (rule O4).
    #[inline(always)]
    pub fn borrow(&self) -> NetmemRef<'_, K> {
        // SAFETY: kind `K`, and the memory lives while this reference does, by the type's invariant.
        unsafe { NetmemRef::new(self.raw) }
    }

    #[inline(always)]
    pub(crate) fn desc(&self) -> &NetmemDesc {
        self.borrow().desc()
    }

    /// Takes one more reference.
    ///
    /// Nothing stops the count at its end, as in Linux. From the 2^62 of [`share`](Self::share) it is 2^62 calls away, each of
    /// which must be forgotten: 146 years at one a nanosecond.
    #[doc(alias = "page_pool_ref_netmem")]
    #[doc(alias = "page_pool_ref_page")]
    pub fn get(&self) -> Self {
        self.desc().pp_ref_count_ref().fetch_add(1, Relaxed);
        // SAFETY: the same word, and the reference was just taken.
        unsafe { Netmem::new(self.raw) }
    }

    /// Where a device finds this memory; 0 if its pool does not map, and old once its pool is gone.
    #[inline]
    #[doc(alias = "page_pool_get_dma_addr_netmem")]
    #[doc(alias = "page_pool_get_dma_addr")]
    pub fn dma_addr(&self) -> DmaAddr {
        self.borrow().dma_addr()
    }

    /// Returns how many references the pool's handles hold together.
    pub fn pp_ref_count(&self) -> usize {
        self.borrow().pp_ref_count()
    }

    /// How many bytes it has.
    pub fn size(&self) -> u32 {
        // SAFETY: the memory is a pool's, and this is a reference to it, by the type's invariant.
        unsafe { Host::size(self.borrow()) }
    }

    /// Whether its pool has mapped it for this device, and is still there.
    pub(crate) fn is_mapped_for(&self, device: DeviceId) -> bool {
        // SAFETY: the memory is a pool's, and this is a reference to it, by the type's invariant.
        unsafe { Host::is_mapped_for(self.borrow(), device) }
    }

    /// Whether this is the only reference of both counts.
    fn is_alone(&self) -> bool {
        // Acquire: whoever had the others has stopped using the memory before this.
        self.desc().pp_ref_count_ref().load(Acquire) == 1
            && match self.borrow().backing() {
                Backing::Page(page) => page_ref_count(page) == 1,
                Backing::NetIov(_) => true,
            }
    }

    /// The whole memory as a [`Frag`], which is exclusive.
    ///
    /// # Errors
    ///
    /// The handle, when it is not the only reference (rule O6).
    pub fn into_frag(self) -> Result<Frag<K>, Self> {
        if !self.is_alone() {
            return Err(self);
        }
        let size = self.size();
        // SAFETY: this is the only reference, so nobody else has a range of it, and nobody can make one any more.
        Ok(unsafe { Frag::new(self, 0, size) })
    }

    /// The bytes, to write, when this is the only reference (rule O6); `None` when it is not. For kind `PageOrIov` the
    /// answer inside is an `Option` again: a net_iov has no bytes (rule D1).
    pub fn bytes_mut(&mut self) -> Option<K::BytesMut<'_>>
    where
        K: Readable,
    {
        if !self.is_alone() {
            return None;
        }
        let size = self.size();
        // SAFETY: this is the only reference, borrowed exclusively, and `size` bytes are what there is.
        Some(unsafe { super::readable::bytes_mut(self.borrow(), 0, size) })
    }

    /// Makes this reference into `n`, in one value.
    ///
    /// # Errors
    ///
    /// [`ShareError`], with the handle: it is not the only reference, or `n` is not 1 to 2^62 - 1.
    #[doc(alias = "page_pool_fragment_netmem")]
    #[doc(alias = "page_pool_fragment_page")]
    pub fn share(self, n: usize) -> Result<Shares<K>, Refused<ShareError, Self>> {
        if !(1..=MAX_SHARES).contains(&n) {
            return Err(Refused { reason: ShareError::Count { n }, back: self });
        }
        if !self.is_alone() {
            return Err(Refused { reason: ShareError::NotAlone, back: self });
        }
        let n = n as isize;
        self.desc().pp_ref_count_ref().store(n, Relaxed);
        // SAFETY: the count is `n`, and all of it is this value's.
        Ok(unsafe { Shares::new(self.into_word(), n) })
    }
}

impl Netmem {
    /// Asks the tag. The handle comes back as what it is.
    pub fn backing(self) -> Backing<Netmem<Page>, Netmem<NetIov>> {
        let iov = self.borrow().is_net_iov();
        let raw = self.into_word();
        if iov {
            // SAFETY: the same reference; the tag says net_iov.
            Backing::NetIov(unsafe { Netmem::new(raw) })
        } else {
            // SAFETY: the same reference; the tag says page.
            Backing::Page(unsafe { Netmem::new(raw) })
        }
    }
}

/// The most references that a count can begin with: half of what it can hold.
const MAX_SHARES: usize = (isize::MAX >> 1) as usize;

/// Why a reference was not made into several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// The number is out of range.
    #[error("a reference cannot be made into {n}: ask for 1 to {MAX_SHARES}")]
    Count {
        /// How many references were asked for.
        n: usize,
    },
    /// There are other references to the memory: handles of the pool, or references of mm on the page.
    #[error("the memory has other references: share it before it is given to others")]
    NotAlone,
}

impl ShareError {
    /// Returns EINVAL and EBUSY, which are the nearest. Linux does not ask: `page_pool_fragment_netmem` stores the
    /// number.
    pub fn errno(&self) -> i32 {
        match self {
            ShareError::Count { .. } => EINVAL,
            ShareError::NotAlone => EBUSY,
        }
    }
}

impl<K: Kind> Drop for Netmem<K> {
    /// The put, from any context (rule O1).
    ///
    /// There is no `allow_direct` argument: with the pool in hand call
    /// [`PagePool::recycle_direct`](super::PagePool::recycle_direct). There is no `dma_sync_size`: the consumer side
    /// syncs `max_len` bytes. The last reference goes into the ring; to the provider or to mm if the ring is full or
    /// closed, or if the page may not stay.
    #[inline]
    #[doc(alias = "page_pool_put_full_netmem")]
    #[doc(alias = "page_pool_put_full_page")]
    #[doc(alias = "page_pool_put_netmem")]
    #[doc(alias = "page_pool_put_page")]
    #[doc(alias = "page_pool_put_unrefed_netmem")]
    #[doc(alias = "page_pool_put_unrefed_page")]
    fn drop(&mut self) {
        // SAFETY: this value is gone after this, so its reference goes to the other.
        let memory = unsafe { Netmem::<K>::new(self.raw) };
        if let Some(idle) = memory.into_idle() {
            Host::put_idle(idle);
        }
    }
}

#[diagnostic::do_not_recommend]
impl From<Netmem<Page>> for Netmem {
    #[inline]
    fn from(memory: Netmem<Page>) -> Self {
        memory.into_any()
    }
}

#[diagnostic::do_not_recommend]
impl From<Netmem<NetIov>> for Netmem {
    #[inline]
    fn from(memory: Netmem<NetIov>) -> Self {
        memory.into_any()
    }
}

impl TryFrom<Netmem> for Netmem<Page> {
    type Error = Netmem<NetIov>;

    fn try_from(memory: Netmem) -> Result<Self, Self::Error> {
        match memory.backing() {
            Backing::Page(page) => Ok(page),
            Backing::NetIov(iov) => Err(iov),
        }
    }
}

impl TryFrom<Netmem> for Netmem<NetIov> {
    type Error = Netmem<Page>;

    fn try_from(memory: Netmem) -> Result<Self, Self::Error> {
        match memory.backing() {
            Backing::Page(page) => Err(page),
            Backing::NetIov(iov) => Ok(iov),
        }
    }
}

impl<K: Kind> fmt::Debug for Netmem<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Netmem<{}>({:?}, {} references)", K::NAME, self.borrow(), self.pp_ref_count())
    }
}
