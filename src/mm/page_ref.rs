//! [`PageRef`]: one reference of mm's.

use super::{FreePage, Page, page_ref_count};
use crate::assert::assert_not_impl_any;
use crate::backend::{Backend, Host};
use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::NonNull;

/// One owned reference in `_refcount`: what [`get_page`] takes and [`put_page`] gives back.
///
/// It has nothing to do with a pool's reference, keeps the page from being freed, and gives identity and address, never
/// bytes (rule O6). Not `Clone`: a second reference is a second `get_page` (rule O2).
///
/// # Invariants
///
/// `page` is the head of an allocated block, and one of its `_refcount` is this value.
pub struct PageRef {
    page: NonNull<Page>,
}

assert_not_impl_any!(PageRef: Clone, Copy, Default, AsRef<[u8]>);

// SAFETY: a count in an atomic; the page's fields are atomics.
unsafe impl Send for PageRef {}
// SAFETY: as above.
unsafe impl Sync for PageRef {}

impl PageRef {
    /// Takes over one reference of mm's that C had. Dropping the value puts it.
    ///
    /// ```
    /// # use netmem::{mm::{self, Zone}, PageRef};
    /// let zone = Zone::new(1)?;
    /// let page = zone.alloc(0).expect("one page is free");
    /// let raw = mm::get_page(page.page()).into_raw(); // C has the reference
    /// // SAFETY: the pointer came from `into_raw`, and nobody else has taken the reference back.
    /// let extra = unsafe { PageRef::from_raw(raw) };
    /// assert_eq!(mm::page_ref_count(&extra), 2);
    /// # Ok::<(), netmem::mm::ZoneError>(())
    /// ```
    ///
    /// # Safety
    ///
    /// - `page` is the head of an allocated block of this backend, with provenance over the whole `struct page`.
    /// - One of its `_refcount` is the caller's, who gives it up.
    pub unsafe fn from_raw(page: NonNull<Page>) -> Self {
        // INVARIANT: the caller promises what the type demands.
        PageRef { page }
    }

    /// Gives the reference to C. C puts it (`put_page`), or gives it back to [`from_raw`](Self::from_raw); else it is leaked.
    pub fn into_raw(self) -> NonNull<Page> {
        ManuallyDrop::new(self).page
    }

    /// Takes the right to the bytes, when this is the only reference.
    ///
    /// # Errors
    ///
    /// The reference, when there are others.
    ///
    /// # Safety
    ///
    /// No value but a reference of mm's gives access to the bytes, so nobody can reach them when this is the only one.
    pub(crate) unsafe fn into_free(self) -> Result<FreePage, PageRef> {
        if page_ref_count(&self) != 1 {
            return Err(self);
        }
        let page = ManuallyDrop::new(self).page;
        // SAFETY: the reference goes from one value to the other; it is the only one, and the caller promises the rest.
        Ok(unsafe { FreePage::from_raw(page) })
    }
}

impl Deref for PageRef {
    type Target = Page;

    fn deref(&self) -> &Page {
        // SAFETY: the page lives while one of its references does, and this value is one.
        unsafe { self.page.as_ref() }
    }
}

impl Drop for PageRef {
    fn drop(&mut self) {
        // SAFETY: this value is one reference, and it is gone after this.
        unsafe { Host::put_page(self.page) }
    }
}

impl fmt::Debug for PageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageRef(pfn {:#x})", super::page_to_pfn(self))
    }
}

/// Takes one more reference of mm's on the block that `page` is part of.
///
/// # Panics
///
/// When 2^31 - 1 references are out, which takes as many `forget`s: going on would wrap the count to a free page.
pub fn get_page(page: &Page) -> PageRef {
    let head = Host::get_page(page);
    // SAFETY: `head` is the head of its block, and the call took the reference that this value is.
    unsafe { PageRef::from_raw(head) }
}

/// Gives back one reference of mm's. The reference is consumed: putting one that is not held does not compile.
pub fn put_page(page: PageRef) {
    drop(page);
}
