//! [`FreePage`]: memory that is nobody else's.

use super::{Page, PageRef, page_address, page_size, put_page_raw};
use crate::assert::assert_not_impl_any;
use core::fmt;
use core::ptr::NonNull;

/// A block of `1 << order` pages with one owner: what a provider hands to a pool and gets back (rule O5).
///
/// It is a value: giving it to two pools does not compile, and dropping it gives it back to its zone. Being the owner,
/// it may read and write the bytes; a [`PageRef`] taken beside it may not.
///
/// ```
/// # use netmem::mm::Zone;
/// let zone = Zone::new(1)?;
/// let mut page = zone.alloc(0).expect("one page is free");
/// page.bytes_mut()[..5].copy_from_slice(b"hello");
/// assert_eq!(&page.bytes()[..5], b"hello");
/// # Ok::<(), netmem::mm::ZoneError>(())
/// ```
///
/// # Invariants
///
/// `page` is the head of an allocated block; one of its `_refcount` is this value, and no other value gives access to
/// its bytes.
pub struct FreePage {
    page: NonNull<Page>,
}

assert_not_impl_any!(FreePage: Clone, Copy, Default);

// SAFETY: it owns its page and the bytes; the page's fields are atomics.
unsafe impl Send for FreePage {}
// SAFETY: `&FreePage` reads bytes that only `&mut FreePage` writes.
unsafe impl Sync for FreePage {}

impl FreePage {
    /// Takes over one reference.
    ///
    /// # Safety
    ///
    /// `page` is the head of an allocated block, the caller gives up one of its `_refcount`, and nobody else can reach
    /// its bytes.
    pub(crate) unsafe fn from_raw(page: NonNull<Page>) -> Self {
        // INVARIANT: the caller promises what the type demands.
        FreePage { page }
    }

    /// Gives the reference, and the right to the bytes, to the caller.
    pub(crate) fn into_raw(self) -> NonNull<Page> {
        let page = self.page;
        core::mem::forget(self);
        page
    }

    /// The page, for functions of mm.
    pub fn page(&self) -> &Page {
        // SAFETY: the page lives while one of its references does, and this value is one.
        unsafe { self.page.as_ref() }
    }

    /// The whole block.
    pub fn bytes(&self) -> &[u8] {
        let page = self.page();
        // SAFETY: the block is one allocation of `page_size` initialised bytes that lives while this value does; by the
        // type's invariant only this value reaches them, and it is borrowed.
        unsafe { core::slice::from_raw_parts(page_address(page).as_ptr(), page_size(page)) }
    }

    /// The whole block, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let page = self.page();
        // SAFETY: as in `bytes`, and this value is borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(page_address(page).as_ptr(), page_size(page)) }
    }
}

impl From<FreePage> for PageRef {
    /// Gives up the right to the bytes and keeps the reference.
    fn from(page: FreePage) -> Self {
        // SAFETY: the reference goes from one value to the other.
        unsafe { PageRef::from_raw(page.into_raw()) }
    }
}

impl Drop for FreePage {
    fn drop(&mut self) {
        // SAFETY: this value is one reference, and it is gone after this.
        unsafe { put_page_raw(self.page) }
    }
}

impl fmt::Debug for FreePage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreePage")
            .field("pfn", &super::page_to_pfn(self.page()))
            .field("order", &super::compound_order(self.page()))
            .finish()
    }
}
