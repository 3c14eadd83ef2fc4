//! A box that can fail, held as a pointer: for what is shared by handles and freed by the last of them.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ptr::{NonNull, slice_from_raw_parts_mut};

/// Puts `value` on the heap. `None` when there is no memory; the value is dropped then.
pub(super) fn leak<T>(value: T) -> Option<NonNull<T>> {
    // A vector of one: the way to an allocation that can fail.
    let mut one = Vec::new();
    one.try_reserve_exact(1).ok()?;
    one.push(value);
    // CAST: a slice of one is where its element is.
    Some(NonNull::from(Box::leak(one.into_boxed_slice())).cast())
}

/// Drops what [`leak`] put on the heap.
///
/// # Safety
///
/// `this` came from [`leak`], and nobody uses it any more.
pub(super) unsafe fn reclaim<T>(this: NonNull<T>) {
    // CAST: back to the slice of one.
    let one = slice_from_raw_parts_mut(this.as_ptr(), 1);
    // SAFETY: a box of this slice was leaked there, and the caller is its last user.
    drop(unsafe { Box::from_raw(one) });
}
