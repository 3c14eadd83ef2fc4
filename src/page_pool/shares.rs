//! [`Shares`]: many references in one value.

use super::Netmem;
use super::idle::{Idle, unref};
use crate::assert::assert_not_impl_any;
use crate::backend::{Backend, Host};
use crate::memory::{Kind, NetIov, NetmemRef, Page, PageOrIov, Raw};
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Acquire;

/// `n` owned references to one piece of memory: a driver's bias.
///
/// Split one off for each user, and drop the rest with one subtraction. The count lives in the value, so no call can
/// drop a reference that it does not hold (rule O2). Shares give no bytes: each user's is a reference like any other.
///
/// ```
/// # use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Page};
/// # let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(Zone::new(64)?))?;
/// let memory = pool.alloc().expect("64 pages are free");
/// let mut shares = memory.share(4).expect("nobody else has it");
/// let first = shares.take().expect("four are there");
/// assert_eq!((shares.left(), first.pp_ref_count()), (3, 4));
/// drop(shares);
/// assert_eq!(first.pp_ref_count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// As of [`Netmem`], with `left` of the `pp_ref_count` this value's. `left` may be 0, and then `raw` is not followed.
pub struct Shares<K: Kind = PageOrIov> {
    raw: Raw,
    left: isize,
    _kind: PhantomData<K>,
}

assert_not_impl_any!(Shares: Clone, Copy, Default, core::ops::Deref, Into<Shares<Page>>, Into<Shares<NetIov>>);

// SAFETY: as for `Netmem`.
unsafe impl<K: Kind> Send for Shares<K> {}
// SAFETY: as for `Netmem`.
unsafe impl<K: Kind> Sync for Shares<K> {}

impl<K: Kind> Shares<K> {
    /// Takes over `left` references.
    ///
    /// # Safety
    ///
    /// What the type's invariant says, and the caller gives up the references.
    pub(crate) unsafe fn new(raw: Raw, left: isize) -> Self {
        // INVARIANT: the caller promises what the type demands.
        Shares { raw, left, _kind: PhantomData }
    }

    /// Takes over `left` references that C had: a bias.
    ///
    /// ```
    /// # use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Page, Shares};
    /// # let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(Zone::new(64)?))?;
    /// let memory = pool.alloc().expect("64 pages are free");
    /// let (word, left) = memory.share(4).expect("nobody else has it").into_raw_parts();
    /// // SAFETY: both came from `into_raw_parts` of shares of the same kind, and nobody else has taken the references back.
    /// let shares = unsafe { Shares::<Page>::from_raw_parts(word, left) };
    /// assert_eq!(shares.left(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    ///
    /// - `word` is what [`Netmem::from_raw`] asks for; with 0 left it is not followed.
    /// - `left` of its `pp_ref_count` are the caller's, who gives them up. `left` is not negative.
    pub unsafe fn from_raw_parts(word: NonNull<()>, left: isize) -> Self {
        // INVARIANT: the caller promises what the type demands.
        Shares { raw: Raw::from_word(word), left, _kind: PhantomData }
    }

    /// Gives the references to C: the bits of a `netmem_ref`, and how many are left. C drops them (`page_pool_unref_netmem`), or
    /// gives them back to [`from_raw_parts`](Self::from_raw_parts); else they are leaked.
    pub fn into_raw_parts(self) -> (NonNull<()>, isize) {
        let this = ManuallyDrop::new(self);
        (this.raw.word(), this.left)
    }

    /// Splits one reference off; `None` when none is left.
    pub fn take(&mut self) -> Option<Netmem<K>> {
        if self.left == 0 {
            return None;
        }
        // SAFETY: one is left at least.
        Some(unsafe { self.take_unchecked() })
    }

    /// Splits one reference off.
    ///
    /// # Safety
    ///
    /// One is left at least.
    #[inline(always)]
    pub(crate) unsafe fn take_unchecked(&mut self) -> Netmem<K> {
        self.left -= 1;
        // SAFETY: one of this value's references is the handle's from here on.
        unsafe { Netmem::new(self.raw) }
    }

    /// Returns the memory as a borrowed handle.
    ///
    /// # Safety
    ///
    /// One reference is left at least.
    #[inline(always)]
    unsafe fn memory(&self) -> NetmemRef<'_, K> {
        // SAFETY: the memory is of kind `K` by the type's invariant, and lives while this value has references to it.
        unsafe { NetmemRef::new(self.raw) }
    }

    /// Returns the memory as a borrowed handle, when nobody else has a reference: all of them are left in this value.
    ///
    /// # Safety
    ///
    /// One reference is left at least.
    #[inline(always)]
    pub(crate) unsafe fn alone(&self) -> Option<NetmemRef<'_, K>> {
        // SAFETY: promised by the caller.
        let memory = unsafe { self.memory() };
        // Acquire: those who had the others have stopped using the memory before this.
        (memory.desc().pp_ref_count_ref().load(Acquire) == self.left).then_some(memory)
    }

    /// Drops all that are left with one subtraction. Returns the memory when they were the last.
    #[inline]
    pub(crate) fn into_idle(mut self) -> Option<Idle<K>> {
        self.end()
    }

    /// Drops all that are left, and leaves none.
    #[inline]
    fn end(&mut self) -> Option<Idle<K>> {
        let left = core::mem::take(&mut self.left);
        if left == 0 {
            return None;
        }
        // SAFETY: one was left at least, and it is dropped by the next call.
        let last = unref(unsafe { self.memory() }.desc(), left);
        // SAFETY: those were the last references, the count is 1 again, and this value has none.
        last.then(|| unsafe { Idle::new(self.raw) })
    }

    /// Drops all that are left with one subtraction. If they were the last, one is left over, as a handle: the memory is
    /// the caller's to put or to use.
    #[doc(alias = "page_pool_unref_netmem")]
    #[doc(alias = "page_pool_unref_page")]
    pub fn unref(self) -> Option<Netmem<K>> {
        self.into_idle().map(Idle::into_netmem)
    }

    /// The same references, of a kind that claims nothing.
    fn forget_kind(self) -> Shares {
        let this = ManuallyDrop::new(self);
        // SAFETY: the references go from one value to the other; `PageOrIov` claims less than `K`.
        unsafe { Shares::new(this.raw, this.left) }
    }

    /// Returns how many are left.
    pub fn left(&self) -> usize {
        self.left as usize
    }
}

#[diagnostic::do_not_recommend]
impl From<Shares<Page>> for Shares {
    fn from(shares: Shares<Page>) -> Self {
        shares.forget_kind()
    }
}

#[diagnostic::do_not_recommend]
impl From<Shares<NetIov>> for Shares {
    fn from(shares: Shares<NetIov>) -> Self {
        shares.forget_kind()
    }
}

impl<K: Kind> Drop for Shares<K> {
    /// The put of all that are left, with one subtraction.
    #[doc(alias = "page_pool_unref_netmem")]
    #[doc(alias = "page_pool_unref_page")]
    fn drop(&mut self) {
        if let Some(idle) = self.end() {
            Host::put_idle(idle);
        }
    }
}

impl<K: Kind> fmt::Debug for Shares<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shares<{}>({} left)", K::NAME, self.left)
    }
}
