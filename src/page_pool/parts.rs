//! [`Parts`]: a value on the heap that several own in parts, and that the last of them frees.

use crate::alloc::Box;
use crate::alloc::Vec;
use crate::sync::{Alive, AtomicIsize, fence};
use core::ops::Deref;
use core::ptr::{NonNull, slice_from_raw_parts_mut};
use core::sync::atomic::Ordering::{Acquire, Release};

/// A value with a count of the parts in it. It is held as a pointer, because its owners find it through descriptors.
///
/// # Invariants
///
/// `parts` is how many parts are owned. The value lives while it is above 0. The value is the first field, so a pointer to the
/// value is a pointer to this.
#[repr(C)]
pub(crate) struct Parts<T> {
    value: T,
    parts: AtomicIsize,
    alive: Alive,
}

impl<T> Parts<T> {
    /// Puts a value on the heap, with `parts` parts for the caller. `None` when there is no memory; the value is dropped then.
    pub(crate) fn new(value: T, parts: isize) -> Option<NonNull<Self>> {
        // A vector of one: the way to an allocation that can fail.
        let mut one = Vec::new();
        one.try_reserve_exact(1).ok()?;
        one.push(Parts { value, parts: AtomicIsize::new(parts), alive: Alive::new() });
        // CAST: a slice of one is where its element is.
        Some(NonNull::from(Box::leak(one.into_boxed_slice())).cast())
    }

    /// Returns how many parts are owned. What was done to the value before the others ended theirs is seen after this.
    pub(crate) fn parts(&self) -> isize {
        self.parts.load(Acquire)
    }

    /// Says to the model checker that the value is used.
    #[inline(always)]
    pub(crate) fn used(&self) {
        self.alive.used();
    }

    /// Ends `n` parts, and frees the value when they were the last, after a call of `last`. It may be gone afterwards.
    ///
    /// # Safety
    ///
    /// The caller owns `n` parts and gives them up. `n` is at least 1.
    pub(crate) unsafe fn end(this: NonNull<Self>, n: isize, last: impl FnOnce(&Self)) {
        // SAFETY: the value lives while the count is above 0, and the caller still owns parts.
        let parts = unsafe { this.as_ref() };
        parts.used();
        if parts.parts.fetch_sub(n, Release) == n {
            fence(Acquire);
            // Nobody else owns a part any more, so the reference is good until the value is freed.
            last(parts);
            // CAST: back to the slice of one that `new` leaked.
            let one = slice_from_raw_parts_mut(this.as_ptr(), 1);
            // SAFETY: `new` leaked a box of this slice. Nobody owns a part, and the fence orders every use before this.
            drop(unsafe { Box::from_raw(one) });
        }
    }
}

impl<T> Deref for Parts<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}
