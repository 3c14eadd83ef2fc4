//! [`Readable`]: which kinds have bytes.

use crate::memory::{Kind, NetmemRef, Page, PageOrIov};
use crate::mm::page_address;
use core::ptr::slice_from_raw_parts_mut;

/// A kind whose bytes the CPU may read: [`Page`] always, [`PageOrIov`] after the check. Sealed.
///
/// [`NetIov`](crate::NetIov) is not one, and so a method that gives bytes does not exist for it (rule D1). For
/// `PageOrIov` bytes come in an `Option`, and the branch for memory that has none must be written (rule S1).
#[diagnostic::on_unimplemented(
    message = "memory of kind `{Self}` is never readable by the CPU (rule D1)",
    label = "device memory has no bytes here",
    note = "give its offset and length to the device or process that can read it",
    note = "if the memory may be of either kind, keep it as `PageOrIov` and match on the `Option` that `bytes()` gives",
    note = "see docs/rules.md#d1"
)]
pub trait Readable: Kind {
    /// What reading gives.
    type Bytes<'a>;
    /// What writing gives.
    type BytesMut<'a>;

    /// Wraps the bytes of a page, or the lack of one.
    #[doc(hidden)]
    fn wrap(bytes: Option<&[u8]>) -> Self::Bytes<'_>;
    /// Wraps the bytes of a page, or the lack of one.
    #[doc(hidden)]
    fn wrap_mut(bytes: Option<&mut [u8]>) -> Self::BytesMut<'_>;
}

#[diagnostic::do_not_recommend]
impl Readable for Page {
    type Bytes<'a> = &'a [u8];
    type BytesMut<'a> = &'a mut [u8];

    #[inline(always)]
    fn wrap(bytes: Option<&[u8]>) -> &[u8] {
        debug_assert!(bytes.is_some(), "a handle of kind `Page` is a page");
        bytes.unwrap_or_default()
    }

    #[inline(always)]
    fn wrap_mut(bytes: Option<&mut [u8]>) -> &mut [u8] {
        debug_assert!(bytes.is_some(), "a handle of kind `Page` is a page");
        bytes.unwrap_or_default()
    }
}

#[diagnostic::do_not_recommend]
impl Readable for PageOrIov {
    type Bytes<'a> = Option<&'a [u8]>;
    type BytesMut<'a> = Option<&'a mut [u8]>;

    #[inline(always)]
    fn wrap(bytes: Option<&[u8]>) -> Option<&[u8]> {
        bytes
    }

    #[inline(always)]
    fn wrap_mut(bytes: Option<&mut [u8]>) -> Option<&mut [u8]> {
        bytes
    }
}

/// Returns where a range of a page is. Reading and writing it is for the caller to justify.
#[inline]
fn range(page: &Page, offset: u32, len: u32) -> *mut [u8] {
    slice_from_raw_parts_mut(page_address(page).as_ptr().wrapping_add(offset as usize), len as usize)
}

/// Returns a range of memory, to read.
///
/// # Safety
///
/// The memory is a pool's; `offset..offset + len` is inside it; and for `'a` nobody, device included, writes those bytes.
#[inline]
pub(super) unsafe fn bytes<K: Readable>(memory: NetmemRef<'_, K>, offset: u32, len: u32) -> K::Bytes<'_> {
    // SAFETY: the range is inside the page's block, which is initialised since its zone was made; nobody writes it for `'a`.
    K::wrap(memory.backing().page().map(|page| unsafe { &*range(page, offset, len) }))
}

/// Returns a range of memory, to write.
///
/// # Safety
///
/// As for [`bytes`], and for `'a` nobody else reads those bytes either.
#[inline]
pub(crate) unsafe fn bytes_mut<K: Readable>(memory: NetmemRef<'_, K>, offset: u32, len: u32) -> K::BytesMut<'_> {
    // SAFETY: as in `bytes`, and nobody else touches the range for `'a`.
    K::wrap_mut(memory.backing().page().map(|page| unsafe { &mut *range(page, offset, len) }))
}
