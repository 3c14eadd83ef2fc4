//! [`Readable`]: which kinds have bytes.

use crate::memory::{Kind, NetmemDesc, Page, PageOrIov, Raw};
use crate::mm::page_address;
use core::ptr::NonNull;

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

    /// Wraps what a page gave, or the lack of it.
    #[doc(hidden)]
    fn wrap(bytes: Option<&[u8]>) -> Self::Bytes<'_>;
    /// Wraps what a page gave, or the lack of it.
    #[doc(hidden)]
    fn wrap_mut(bytes: Option<&mut [u8]>) -> Self::BytesMut<'_>;
}

#[diagnostic::do_not_recommend]
impl Readable for Page {
    type Bytes<'a> = &'a [u8];
    type BytesMut<'a> = &'a mut [u8];

    #[inline]
    fn wrap(bytes: Option<&[u8]>) -> &[u8] {
        // Always `Some`: a handle of kind `Page` is a page.
        bytes.unwrap_or_default()
    }

    #[inline]
    fn wrap_mut(bytes: Option<&mut [u8]>) -> &mut [u8] {
        bytes.unwrap_or_default()
    }
}

#[diagnostic::do_not_recommend]
impl Readable for PageOrIov {
    type Bytes<'a> = Option<&'a [u8]>;
    type BytesMut<'a> = Option<&'a mut [u8]>;

    #[inline]
    fn wrap(bytes: Option<&[u8]>) -> Option<&[u8]> {
        bytes
    }

    #[inline]
    fn wrap_mut(bytes: Option<&mut [u8]>) -> Option<&mut [u8]> {
        bytes
    }
}

/// Where a range of a page is.
///
/// # Safety
///
/// `raw` is a page of a pool, to which the caller has a reference, and `offset` is inside it.
unsafe fn start(raw: Raw, offset: u32) -> NonNull<u8> {
    let desc: NonNull<NetmemDesc> = raw.word().cast();
    // CAST: an untagged word is the page's address. SAFETY: it lives while the caller has a reference.
    let page: &Page = unsafe { desc.cast().as_ref() };
    // SAFETY: `offset` is inside the block, which is one allocation.
    unsafe { page_address(page).add(offset as usize) }
}

/// A range of memory, to read.
///
/// # Safety
///
/// `raw` is of kind `K`, of a pool, and its memory lives for `'a`; `offset..offset + len` is inside it; and for `'a`
/// nobody, device included, writes those bytes.
#[inline]
pub(super) unsafe fn bytes<'a, K: Readable>(raw: Raw, offset: u32, len: u32) -> K::Bytes<'a> {
    if raw.is_net_iov::<K>() {
        return K::wrap(None);
    }
    // SAFETY: it is a page, and the offset is inside.
    let start = unsafe { start(raw, offset) };
    // SAFETY: the range is inside the block, which is initialised since its zone was made; nobody writes it for `'a`.
    K::wrap(Some(unsafe { core::slice::from_raw_parts(start.as_ptr(), len as usize) }))
}

/// A range of memory, to write.
///
/// # Safety
///
/// As for [`bytes`], and for `'a` nobody else reads those bytes either.
#[inline]
pub(super) unsafe fn bytes_mut<'a, K: Readable>(raw: Raw, offset: u32, len: u32) -> K::BytesMut<'a> {
    if raw.is_net_iov::<K>() {
        return K::wrap_mut(None);
    }
    // SAFETY: it is a page, and the offset is inside.
    let start = unsafe { start(raw, offset) };
    // SAFETY: the range is inside the block, which is initialised since its zone was made; nobody touches it for `'a`.
    K::wrap_mut(Some(unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), len as usize) }))
}
