//! [`FragPage`]: the piece of memory that fragments are being cut from.

use super::idle::can_stay;
use crate::memory::Kind;
use crate::page_pool::{Idle, Netmem, Shares};

/// How many references a page that is being cut into fragments starts with: more than it will have users.
const BIAS_MAX: isize = isize::MAX >> 1;
/// Fragments start at multiples of this many bytes, a cache line.
const FRAG_ALIGN: u32 = 64;

/// The piece of memory that fragments are being cut from. It is a plain value: it counts nothing and knows no cache.
///
/// # Invariants
///
/// Without `shares`, `left` and `again` are 0. Else `shares` are not used up, the memory has `full` bytes, and the last `left`
/// of them belong to nobody. `full` and `left` are multiples of [`FRAG_ALIGN`]. `again` is `full`, or 0 when the memory must
/// be synced before it is cut again.
pub(super) struct FragPage<K: Kind> {
    shares: Option<Shares<K>>,
    full: u32,
    left: u32,
    again: u32,
}

/// Returns how many bytes a fragment of `size` takes. The sum does not overflow, because `size` is at most the size of the
/// memory, which is a multiple of [`FRAG_ALIGN`].
#[inline(always)]
fn step(size: u32) -> u32 {
    size.wrapping_add(FRAG_ALIGN - 1) & !(FRAG_ALIGN - 1)
}

impl<K: Kind> FragPage<K> {
    pub(super) const fn none() -> Self {
        FragPage { shares: None, full: 0, left: 0, again: 0 }
    }

    /// Returns whether there is a page of which nobody has a fragment.
    pub(super) fn is_unused(&self) -> bool {
        // SAFETY: shares of a page are not used up by the type's invariant.
        self.shares.as_ref().is_some_and(|shares| unsafe { shares.alone() }.is_some())
    }

    /// Cuts `size` bytes off. Returns a reference for them, and the first of them. `None` when fewer are left, or `size` is 0.
    #[inline(always)]
    pub(super) fn cut(&mut self, size: u32) -> Option<(Netmem<K>, u32)> {
        let left = self.left;
        // A size of 0 wraps, and is refused with the sizes that are too large.
        if size.wrapping_sub(1) >= left {
            return None;
        }
        // INVARIANT: the bytes are the fragment's from here on.
        self.left = left - step(size);
        // SAFETY: bytes were left, so there is memory by the type's invariant.
        Some((unsafe { self.share() }, self.full - left))
    }

    /// Cuts the memory from its start again, when nobody has a fragment of it, it may stay in its pool, and it needs no sync.
    #[inline(always)]
    pub(super) fn cut_again(&mut self, size: u32) -> Option<(Netmem<K>, u32)> {
        if size.wrapping_sub(1) >= self.again {
            return None;
        }
        // SAFETY: `again` is not 0, so there is memory by the type's invariant.
        let shares = unsafe { self.shares.as_ref().unwrap_unchecked() };
        // SAFETY: they are not used up by the type's invariant.
        if !unsafe { shares.alone() }.is_some_and(can_stay) {
            return None;
        }
        // INVARIANT: all references are the pool's, so all bytes belonged to nobody.
        self.left = self.again - step(size);
        // SAFETY: there is memory, as above.
        Some((unsafe { self.share() }, 0))
    }

    /// Takes one of the references.
    ///
    /// # Safety
    ///
    /// There is memory.
    #[inline(always)]
    unsafe fn share(&mut self) -> Netmem<K> {
        // SAFETY: there is memory, says the caller.
        let shares = unsafe { self.shares.as_mut().unwrap_unchecked() };
        // SAFETY: the shares are not used up by the type's invariant. INVARIANT: they started as 2^62, and each call takes one,
        // so some are left for the next 146 years.
        unsafe { shares.take_unchecked() }
    }

    /// Gives the bytes that are left to the fragment of `size` bytes that was cut last, from `offset` on, when another one of that
    /// size would not fit. Returns how many bytes the fragment has then.
    pub(super) fn give_rest(&mut self, offset: u32, size: u32) -> u32 {
        if size <= self.left {
            return size;
        }
        // INVARIANT: they are the fragment's now.
        self.left = 0;
        self.full - offset
    }

    /// Starts on memory that nobody has. `syncs` says that it must be synced before it is cut again.
    pub(super) fn start(&mut self, idle: Idle<K>, syncs: bool) {
        let full = idle.size();
        // INVARIANT: all references are these, and so all bytes belong to nobody. A pool's memory is at least a page.
        *self = FragPage { shares: Some(idle.share(BIAS_MAX)), full, left: full, again: if syncs { 0 } else { full } };
    }

    /// Drops the pool's references, and returns the memory when they were the last.
    pub(super) fn leave(&mut self) -> Option<Idle<K>> {
        core::mem::replace(self, FragPage::none()).shares?.into_idle()
    }
}
