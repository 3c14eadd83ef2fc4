//! [`FreePage`]: memory that is nobody else's.

use super::{Page, PageRef, compound_order, page_address, page_size};
use crate::assert::assert_not_impl_any;
use crate::backend::{Backend, Host};
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
    /// Takes over a block that C has allocated, or that went to C. Dropping the value frees it.
    ///
    /// ```
    /// # use netmem::{mm::Zone, FreePage};
    /// let zone = Zone::new(1)?;
    /// let raw = zone.alloc(0).expect("one page is free").into_raw(); // C has the block
    /// // SAFETY: the pointer came from `into_raw`, and nobody else has taken the block back.
    /// let page = unsafe { FreePage::from_raw(raw) };
    /// assert_eq!(page.bytes().len(), 4096);
    /// # Ok::<(), netmem::mm::ZoneError>(())
    /// ```
    ///
    /// # Safety
    ///
    /// - `page` is the head of an allocated block of this backend, with provenance over the whole `struct page`.
    /// - One of its `_refcount` is the caller's, who gives it up.
    /// - Nobody else can reach its bytes, which are initialised.
    pub unsafe fn from_raw(page: NonNull<Page>) -> Self {
        // INVARIANT: the caller promises what the type demands.
        FreePage { page }
    }

    /// Gives the block to C. C frees it (`__free_pages`), or gives it back to [`from_raw`](Self::from_raw); else it is leaked.
    pub fn into_raw(self) -> NonNull<Page> {
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

impl FreePage {
    /// Cuts the block into blocks of `1 << order` pages, each with one owner: the iterator gives them from the lowest
    /// address on. Those that it has not given when it is dropped go back to the zone. There is no call to join them: the
    /// zone does, when a block and its neighbour are both free.
    ///
    /// ```
    /// # use netmem::mm::Zone;
    /// let zone = Zone::new(8)?;
    /// let block = zone.alloc(3).expect("8 frames are free");
    /// let pages: Vec<_> = block.split(0).expect("nobody else has it").collect();
    /// assert_eq!((pages.len(), pages[7].bytes().len()), (8, 4096));
    /// drop(pages);
    /// assert!(zone.alloc(3).is_some(), "they are one block again");
    /// # Ok::<(), netmem::mm::ZoneError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The block, when it is smaller than `order`, or when mm counts more references to it.
    #[doc(alias = "split_page")]
    #[doc(alias = "folio_split")]
    pub fn split(self, order: u32) -> Result<SplitPages, FreePage> {
        let had = compound_order(self.page());
        if order > had {
            return Err(self);
        }
        // SAFETY: this value is one reference to the block, and is given up below if the call succeeds.
        if !unsafe { Host::split_page(self.page, order) } {
            return Err(self);
        }
        // INVARIANT: the call made as many blocks of it, each with one reference, and these are the iterator's.
        Ok(SplitPages { next: self.into_raw(), pages: 1 << order, left: 1 << (had - order) })
    }
}

/// The blocks that a block was [split](FreePage::split) into.
///
/// # Invariants
///
/// From `next` on there are `left` heads of allocated blocks, `pages` apart in the page array, each with a reference
/// that is this value's.
pub struct SplitPages {
    next: NonNull<Page>,
    pages: usize,
    left: usize,
}

assert_not_impl_any!(SplitPages: Clone, Copy, Default);

// SAFETY: it owns blocks as `FreePage` does.
unsafe impl Send for SplitPages {}
// SAFETY: `&SplitPages` reads a number.
unsafe impl Sync for SplitPages {}

impl Iterator for SplitPages {
    type Item = FreePage;

    fn next(&mut self) -> Option<FreePage> {
        self.left = self.left.checked_sub(1)?;
        let page = self.next;
        if self.left != 0 {
            // SAFETY: the block that `page` heads is this value's, so it is allocated.
            let head = unsafe { page.as_ref() };
            // SAFETY: both heads are of blocks that were one.
            // INVARIANT: one fewer is left, and the next head is `pages` further.
            self.next = unsafe { Host::page_behind(head, self.pages) };
        }
        // SAFETY: the head of an allocated block; its reference goes from this value to the other.
        Some(unsafe { FreePage::from_raw(page) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for SplitPages {}

impl Drop for SplitPages {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

impl fmt::Debug for SplitPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SplitPages({} blocks of {} pages left)", self.left, self.pages)
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
        // SAFETY: this value is one reference, and gone after this, so the reference goes to the other.
        drop(unsafe { PageRef::from_raw(self.page) });
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
