//! [`Idle`]: memory of a pool to which nobody has a reference.

use super::shared::Shared;
use super::{Netmem, Shares};
use crate::memory::{Kind, NetmemDesc, NetmemRef, PageOrIov, Raw};
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;

/// A piece of a pool's memory between its last put and its next allocation: what the cache and the ring hold.
///
/// It is the engine's form of rule O5: memory without references is a value, and the value is the only way to it. A handle
/// becomes one when it was the last reference ([`Netmem::into_idle`]); one becomes a handle again at the next allocation, or
/// leaves the pool ([`Shared::release`]). Dropping it forgets the memory, so every function takes it by value.
///
/// # Invariants
///
/// `raw` is of kind `K` and names memory whose `pp` is a pool that lives. Its `pp_ref_count` is 1, and this value is that one
/// reference.
#[repr(transparent)]
#[must_use = "memory that is dropped here is lost to its pool"]
pub(super) struct Idle<K: Kind = PageOrIov> {
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
    pub(super) unsafe fn new(raw: Raw) -> Self {
        // INVARIANT: the caller promises what the type demands.
        Idle { raw, _kind: PhantomData }
    }

    /// Returns the word, for a slot of the ring or to give the memory back. The value is given up with it.
    #[inline(always)]
    pub(super) fn word(&self) -> NonNull<()> {
        self.raw.word()
    }

    /// Makes the one reference a handle.
    #[inline(always)]
    pub(super) fn into_netmem(self) -> Netmem<K> {
        // SAFETY: the one reference is this value by its invariant, and it goes to the handle.
        unsafe { Netmem::new(self.raw) }
    }

    /// Makes the one reference `n` of them. `n` is at least 1.
    #[inline(always)]
    pub(super) fn share(self, n: isize) -> Shares<K> {
        debug_assert!(n >= 1);
        self.memory().desc().pp_ref_count_ref().store(n, Relaxed);
        // SAFETY: the count is `n`, and all of it belongs to the new value, because this value was the only reference.
        unsafe { Shares::new(self.raw, n) }
    }

    /// Forgets the kind.
    #[inline(always)]
    pub(super) fn any(self) -> Idle {
        Idle { raw: self.raw, _kind: PhantomData }
    }

    /// Says which kind the memory is of.
    ///
    /// # Safety
    ///
    /// The memory is of kind `H`.
    #[inline(always)]
    pub(super) unsafe fn assume<H: Kind>(self) -> Idle<H> {
        // INVARIANT: the caller promises the kind; the rest is as it was.
        Idle { raw: self.raw, _kind: PhantomData }
    }

    /// Returns the memory as a borrowed handle.
    #[inline(always)]
    pub(super) fn memory(&self) -> NetmemRef<'_, K> {
        // SAFETY: the memory is of kind `K` and lives by the type's invariant.
        unsafe { NetmemRef::new(self.raw) }
    }

    #[inline(always)]
    pub(super) fn desc(&self) -> &NetmemDesc {
        self.memory().desc()
    }

    /// Returns the pool that owns the memory. It lives as long as this value is not given up.
    #[inline(always)]
    pub(super) fn pool(&self) -> NonNull<Shared> {
        // CAST: what a pool stamps is the pointer to its shared part.
        let pp = self.desc().pp_ref().load(Relaxed).cast::<Shared>();
        // SAFETY: `pp` is a pool by the type's invariant, so it is not null.
        unsafe { NonNull::new_unchecked(pp) }
    }

    /// Returns the pool, borrowed.
    #[inline(always)]
    pub(super) fn shared(&self) -> &Shared {
        // SAFETY: the pool lives while this value does by the type's invariant.
        unsafe { self.pool().as_ref() }
    }

    /// Returns how many bytes the memory has.
    pub(super) fn size(&self) -> u32 {
        self.shared().buffer_size
    }

    /// Returns whether the memory may stay in its pool.
    #[inline(always)]
    pub(super) fn can_stay(&self) -> bool {
        super::shared::can_stay(self.memory())
    }
}
