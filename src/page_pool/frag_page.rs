//! [`FragPage`]: the piece of memory that fragments are being cut from.

use super::core::Core;
use super::shared::{Shared, can_stay, unref};
use crate::memory::{Kind, PageOrIov, Raw};
use core::sync::atomic::Ordering::{Acquire, Relaxed};

/// How many references a page that is being cut into fragments starts with: more than it will have users.
const BIAS_MAX: isize = isize::MAX >> 1;
/// Fragments start at multiples of this many bytes, a cache line.
const FRAG_ALIGN: u32 = 64;

/// The piece of memory that fragments are being cut from.
///
/// # Invariants
///
/// Without a `raw`, `left` and `again` are 0. Else `bias` of its `pp_ref_count` are the pool's, and its last `left` bytes
/// are nobody's. `left` and `again` are multiples of [`FRAG_ALIGN`]. `again` is the size of the memory, or 0 when it must
/// be synced before it is cut again.
pub(super) struct FragPage {
    raw: Option<Raw>,
    bias: isize,
    left: u32,
    again: u32,
}

/// What `size` bytes take of a piece of memory that has as many: no overflow, as its size is a multiple.
#[inline(always)]
fn step(size: u32) -> u32 {
    size.wrapping_add(FRAG_ALIGN - 1) & !(FRAG_ALIGN - 1)
}

impl FragPage {
    pub(super) fn none() -> Self {
        FragPage { raw: None, bias: 0, left: 0, again: 0 }
    }

    /// Whether there is one, and nobody has a fragment of it.
    pub(super) fn is_unused(&self) -> bool {
        self.raw.is_some_and(|raw| {
            // SAFETY: `PageOrIov` claims nothing.
            let desc = unsafe { raw.untag::<PageOrIov>() };
            // SAFETY: the memory lives while the pool has references to it.
            unsafe { desc.as_ref() }.pp_ref_count() == self.bias
        })
    }
}

impl Core {
    /// A reference to a fresh range of `size` bytes, and where it starts.
    ///
    /// # Safety
    ///
    /// The pool's memory is of kind `K`.
    #[inline(always)]
    pub(super) unsafe fn alloc_frag<K: Kind>(&mut self, size: u32) -> Option<(Raw, u32)> {
        let frag = &mut self.frag;
        let left = frag.left;
        // A size of 0 wraps, and is refused with the sizes that are too large.
        if size.wrapping_sub(1) < left {
            // INVARIANT: one of the pool's is the new frag's now, and so are the bytes.
            frag.left = left - step(size);
            frag.bias -= 1;
            // SAFETY: bytes are left, and without a page none would be.
            let raw = unsafe { frag.raw.unwrap_unchecked() };
            return Some((raw, self.buffer_size - left));
        }
        // The same page again, when nobody has a fragment of it, it may stay, and it needs no sync.
        if size.wrapping_sub(1) < frag.again {
            // SAFETY: `again` is not 0, and without a page it would be.
            let raw = unsafe { frag.raw.unwrap_unchecked() };
            // SAFETY: kind `K`, says the caller.
            let desc = unsafe { raw.untag::<K>() };
            // SAFETY: the memory lives while the pool has references to it.
            let count = unsafe { desc.as_ref() }.pp_ref_count_ref();
            // Acquire: whoever had a fragment has stopped using it before this.
            let unused = count.load(Acquire) == frag.bias;
            // SAFETY: kind `K`, and the pool has references to it.
            if unused && unsafe { can_stay::<K>(raw) } {
                self.stats.recycle_cached += 1;
                self.stats.alloc_fast += 1;
                // INVARIANT: one of the pool's is the new frag's now. What is left of the bias lasts for years.
                frag.left = frag.again - step(size);
                frag.bias -= 1;
                return Some((raw, 0));
            }
        }
        self.next_frag_page(size)
    }

    /// Gives back the pool's part of the fragment page, and starts on a new one, or on the same when nobody has it.
    #[cold]
    #[inline(never)]
    fn next_frag_page(&mut self, size: u32) -> Option<(Raw, u32)> {
        let max = self.buffer_size;
        if size == 0 || size > max {
            return None;
        }
        let raw = match self.drain() {
            Some(raw) => {
                self.stats.recycle_cached += 1;
                self.stats.alloc_fast += 1;
                raw
            }
            None => self.alloc()?,
        };
        // SAFETY: `PageOrIov` claims nothing.
        let desc = unsafe { raw.untag::<PageOrIov>() };
        // SAFETY: the memory is the pool's, so it lives.
        unsafe { desc.as_ref() }.pp_ref_count_ref().store(BIAS_MAX, Relaxed);
        let again = if self.fast_pp.is_null() { 0 } else { max };
        // INVARIANT: of BIAS_MAX one is the new frag's. `max` is a multiple of the alignment, and `size` not above it.
        self.frag = FragPage { raw: Some(raw), bias: BIAS_MAX - 1, left: max - step(size), again };
        Some((raw, 0))
    }

    /// What is behind the fragment that was cut last, for that fragment, when another one of `size` would not fit: how
    /// many bytes, from the fragment's `offset`.
    pub(super) fn give_rest(&mut self, offset: u32, size: u32) -> u32 {
        if size <= self.frag.left {
            return size;
        }
        // INVARIANT: they are the fragment's now.
        self.frag.left = 0;
        self.buffer_size - offset
    }

    /// Drops the pool's references to the fragment page, if there is one. The page, when they were the last.
    fn leave_frag_page(&mut self) -> Option<Raw> {
        let FragPage { raw, bias, left: _, again: _ } = core::mem::replace(&mut self.frag, FragPage::none());
        let raw = raw?;
        // SAFETY: `PageOrIov` claims nothing.
        let desc = unsafe { raw.untag::<PageOrIov>() };
        // SAFETY: the memory lives while the pool has references to it.
        unref(unsafe { desc.as_ref() }, bias).then_some(raw)
    }

    /// Leaves the fragment page. The same page again, when nobody else has it and it may stay.
    #[doc(alias = "page_pool_drain_frag")]
    fn drain(&mut self) -> Option<Raw> {
        let raw = self.leave_frag_page()?;
        // SAFETY: `PageOrIov` claims nothing.
        if !unsafe { can_stay::<PageOrIov>(raw) } {
            // SAFETY: it has no references. The owner's part keeps the pool.
            unsafe { Shared::release(self.shared, raw) };
            return None;
        }
        // SAFETY: `PageOrIov` claims nothing.
        let desc = unsafe { raw.untag::<PageOrIov>() };
        // SAFETY: the memory is the pool's, so it lives.
        let fields = unsafe { desc.as_ref() };
        // SAFETY: it has no references, and the pool has not been scrubbed while its owner lives.
        unsafe { self.shared().sync_for_device(fields, u32::MAX) };
        Some(raw)
    }

    /// Leaves the fragment page for good: to the provider, or to whoever still has fragments of it.
    #[doc(alias = "page_pool_free_frag")]
    pub(super) fn free_frag(&mut self) {
        if let Some(raw) = self.leave_frag_page() {
            // SAFETY: it has no references. The owner's part keeps the pool.
            unsafe { Shared::release(self.shared, raw) }
        }
    }
}
