//! [`Idle`]: memory of a pool to which nobody has a reference.

use super::{Netmem, Shares};
use crate::memory::{Kind, NetmemDesc, NetmemRef, PageOrIov, Raw};
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

/// A piece of a pool's memory between its last put and its next allocation: what the cache and the ring hold.
///
/// It is the engine's form of rule O5: memory without references is a value, and the value is the only way to it. A handle
/// becomes one when it was the last reference ([`Netmem::into_idle`]); one becomes a handle again at the next allocation, or
/// leaves the pool. Dropping it forgets the memory, so every function takes it by value.
///
/// # Invariants
///
/// `raw` is of kind `K` and names memory whose `pp` is a pool that lives. Its `pp_ref_count` is 1, and this value is that one
/// reference.
#[repr(transparent)]
#[must_use = "memory that is dropped here is lost to its pool"]
pub(crate) struct Idle<K: Kind = PageOrIov> {
    raw: Raw,
    _kind: PhantomData<K>,
}

impl<K: Kind> Idle<K> {
    /// Takes memory over.
    ///
    /// # Safety
    ///
    /// The type's invariant holds, and the caller gives the reference up.
    #[inline(always)]
    pub(crate) unsafe fn new(raw: Raw) -> Self {
        // INVARIANT: the caller promises what the type demands.
        Idle { raw, _kind: PhantomData }
    }

    /// Returns the word, for a slot of the ring or to give the memory back. The value is given up with it.
    #[inline(always)]
    pub(crate) fn word(&self) -> NonNull<()> {
        self.raw.word()
    }

    /// Makes the one reference a handle.
    #[inline(always)]
    pub(crate) fn into_netmem(self) -> Netmem<K> {
        // SAFETY: the one reference is this value by its invariant, and it goes to the handle.
        unsafe { Netmem::new(self.raw) }
    }

    /// Makes the one reference `n` of them. `n` is at least 1.
    #[inline(always)]
    pub(crate) fn share(self, n: isize) -> Shares<K> {
        debug_assert!(n >= 1);
        self.memory().desc().pp_ref_count_ref().store(n, Relaxed);
        // SAFETY: the count is `n`, and all of it belongs to the new value, because this value was the only reference.
        unsafe { Shares::new(self.raw, n) }
    }

    /// Forgets the kind.
    #[inline(always)]
    pub(crate) fn any(self) -> Idle {
        Idle { raw: self.raw, _kind: PhantomData }
    }

    /// Says which kind the memory is of.
    ///
    /// # Safety
    ///
    /// The memory is of kind `H`.
    #[inline(always)]
    pub(crate) unsafe fn assume<H: Kind>(self) -> Idle<H> {
        // INVARIANT: the caller promises the kind; the rest is as it was.
        Idle { raw: self.raw, _kind: PhantomData }
    }

    /// Returns the memory as a borrowed handle.
    #[inline(always)]
    pub(crate) fn memory(&self) -> NetmemRef<'_, K> {
        // SAFETY: the memory is of kind `K` and lives by the type's invariant.
        unsafe { NetmemRef::new(self.raw) }
    }

    /// Returns the view that page and net_iov share.
    #[inline(always)]
    pub(crate) fn desc(&self) -> &NetmemDesc {
        self.memory().desc()
    }
}

/// Drops `n` references of `n` or more. Returns whether none remain; the count is 1 again then, for the next owner.
#[inline(always)]
#[doc(alias = "page_pool_unref_netmem")]
pub(super) fn unref(desc: &NetmemDesc, n: isize) -> bool {
    let count = desc.pp_ref_count_ref();
    // When all references are the caller's, nobody can change the count, and it needs no read-modify-write.
    if count.load(Acquire) == n {
        if n != 1 {
            count.store(1, Relaxed);
        }
        return true;
    }
    if count.fetch_sub(n, AcqRel) == n {
        count.store(1, Relaxed);
        return true;
    }
    false
}
