//! [`Stack`]: a few values that move together, in place and without an allocation.

use core::hint;
use core::mem::{self, MaybeUninit};
use core::ptr;

/// Up to `N` values. Dropping a stack forgets the values that it holds: its owner drains it first.
///
/// # Invariants
///
/// `len` is at most `N`, and `items[..len]` are initialised.
pub(crate) struct Stack<T, const N: usize> {
    len: usize,
    items: [MaybeUninit<T>; N],
}

impl<T, const N: usize> Stack<T, N> {
    /// Returns a stack that holds nothing.
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Stack { len: 0, items: [const { MaybeUninit::uninit() }; N] }
    }

    /// Returns how many values there are.
    #[inline(always)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Returns how many more values fit.
    #[inline(always)]
    pub(crate) const fn room(&self) -> usize {
        N - self.len
    }

    /// Adds a value on top.
    ///
    /// # Errors
    ///
    /// The value, when the stack is full.
    #[inline(always)]
    pub(crate) fn try_push(&mut self, item: T) -> Result<(), T> {
        let Some(slot) = self.items.get_mut(self.len) else { return Err(item) };
        // INVARIANT: the value is initialised, and there was room for it.
        slot.write(item);
        self.len += 1;
        Ok(())
    }

    /// Adds a value on top, where the caller knows that there is room.
    ///
    /// # Panics
    ///
    /// When the stack is full.
    #[inline(always)]
    pub(crate) fn push(&mut self, item: T) {
        self.items[self.len].write(item);
        // INVARIANT: as in `try_push`; the index was in range.
        self.len += 1;
    }

    /// Takes the value off that was added last.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<T> {
        // SAFETY: `len` is at most `N` by the type's invariant.
        unsafe { hint::assert_unchecked(self.len <= N) };
        self.len = self.len.checked_sub(1)?;
        // SAFETY: the value is initialised by the type's invariant, and it is read once, because `len` no longer covers it.
        Some(unsafe { self.items[self.len].assume_init_read() })
    }

    /// Returns the values, the oldest first.
    pub(crate) fn as_slice(&self) -> &[T] {
        let items: *const [MaybeUninit<T>] = &raw const self.items[..self.len];
        // CAST: a `MaybeUninit` is laid out as its value. SAFETY: `items[..len]` are initialised by the type's invariant.
        unsafe { &*(items as *const [T]) }
    }

    /// Returns the values, the oldest first, to change.
    #[inline(always)]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        let items: *mut [MaybeUninit<T>] = &raw mut self.items[..self.len];
        // CAST: a `MaybeUninit` is laid out as its value. SAFETY: `items[..len]` are initialised by the type's invariant.
        unsafe { &mut *(items as *mut [T]) }
    }

    /// Gives all values up. Returns their places, the oldest first, where they still are.
    #[inline(always)]
    pub(crate) fn take_slice(&mut self) -> &mut [MaybeUninit<T>] {
        let len = mem::take(&mut self.len);
        &mut self.items[..len]
    }

    /// Takes all values off, the oldest first. What the iterator has not given when it is dropped is forgotten.
    #[inline(always)]
    pub(crate) fn drain(&mut self) -> impl ExactSizeIterator<Item = T> {
        self.take_slice().iter().map(|item| {
            // SAFETY: the value is initialised, because the stack had it; it is read once, because the stack has it no more and
            // the iterator visits each item once.
            unsafe { item.assume_init_read() }
        })
    }

    /// Lets `f` write more values. It says how many it has written, from the first place on.
    ///
    /// # Safety
    ///
    /// `f` has written so many.
    #[inline(always)]
    pub(crate) unsafe fn fill<R>(&mut self, f: impl FnOnce(&mut [MaybeUninit<T>]) -> (usize, R)) -> R {
        let (count, result) = f(&mut self.items[self.len..]);
        // INVARIANT: the caller promises that they are initialised. Their places were in the array.
        self.len += count;
        result
    }

    /// Takes all values off, the oldest first, and adds to `to` those that `f` makes of them.
    #[inline(always)]
    pub(crate) fn drain_into<U>(&mut self, to: &mut Stack<U, N>, mut f: impl FnMut(T) -> Option<U>) {
        let mut count = to.len;
        for item in self.drain() {
            if let Some(item) = f(item) {
                to.items[count].write(item);
                count += 1;
            }
        }
        // INVARIANT: the values are initialised, and their indices were in range.
        to.len = count;
    }

    /// Moves the `n` values that were added last to the top of `to`, in their order.
    ///
    /// # Safety
    ///
    /// A `T` is laid out as a `U`, and the caller may make one of the other. There are `n` values, and `to` has room for them.
    pub(crate) unsafe fn move_as<U, const M: usize>(&mut self, to: &mut Stack<U, M>, n: usize) {
        let from = &self.items[self.len - n..self.len];
        let into = &mut to.items[to.len..to.len + n];
        // CAST: a `T` is laid out as a `U`, says the caller.
        let into = into.as_mut_ptr().cast::<MaybeUninit<T>>();
        // SAFETY: both ranges have `n` items, because they were sliced so; they are parts of different stacks.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), into, n) };
        // INVARIANT: the values are initialised, and only `to` has them from here on.
        self.len -= n;
        to.len += n;
    }
}
