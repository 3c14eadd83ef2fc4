//! [`Few`]: a few values in place, which are dropped with it.

use crate::stack::Stack;
use core::mem::{self, MaybeUninit};
use core::ptr;
use core::slice;

/// Up to `N` values, in order. What it costs to make, to look through and to drop depends on how many there are, and not on
/// `N`.
pub(crate) struct Few<T, const N: usize>(Stack<T, N>);

impl<T, const N: usize> Few<T, N> {
    /// Returns a list of nothing.
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Few(Stack::new())
    }

    /// Returns how many values there are.
    #[inline(always)]
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the values, in order.
    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[T] {
        self.0.as_slice()
    }

    /// Returns the values, in order, to change.
    #[inline(always)]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        self.0.as_mut_slice()
    }

    /// Adds a value at the end.
    ///
    /// # Errors
    ///
    /// The value, when there is no room.
    #[inline(always)]
    pub(crate) fn try_push(&mut self, item: T) -> Result<(), T> {
        self.0.try_push(item)
    }

    /// Takes the first value out. It takes time for each of the others.
    pub(crate) fn remove_first(&mut self) -> Option<T> {
        let first = self.len().min(1);
        self.as_mut_slice().rotate_left(first);
        self.0.pop()
    }

    /// Puts a value before the others. It takes time for each of them.
    ///
    /// # Errors
    ///
    /// The value, when there is no room.
    pub(crate) fn insert_first(&mut self, item: T) -> Result<(), T> {
        self.try_push(item)?;
        self.as_mut_slice().rotate_right(1);
        Ok(())
    }

    /// Takes all values out, in order. Those that the iterator has not given are dropped with it.
    #[inline(always)]
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = T> {
        // INVARIANT: the stack has given the values up, and all of them are initialised.
        Rest { items: self.0.take_slice().iter_mut() }
    }
}

impl<T, const N: usize> Drop for Few<T, N> {
    #[inline(always)]
    fn drop(&mut self) {
        let items: *mut [T] = self.as_mut_slice();
        // SAFETY: the values are initialised, because the stack shows them. The stack drops none, so this is the only time.
        unsafe { ptr::drop_in_place(items) }
    }
}

/// Values that were taken out and have not been given yet.
///
/// # Invariants
///
/// `items` are initialised, and they are this value's.
struct Rest<'a, T> {
    items: slice::IterMut<'a, MaybeUninit<T>>,
}

impl<T> Iterator for Rest<'_, T> {
    type Item = T;

    #[inline(always)]
    fn next(&mut self) -> Option<T> {
        // SAFETY: the value is initialised by the type's invariant. It is read once, because the iterator has left it behind.
        self.items.next().map(|item| unsafe { item.assume_init_read() })
    }
}

impl<T> Drop for Rest<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        let rest: *mut [MaybeUninit<T>] = mem::take(&mut self.items).into_slice();
        // CAST: a `MaybeUninit` is laid out as its value.
        // SAFETY: what is left is initialised and this value's by its invariant, and the iterator has it no more.
        unsafe { ptr::drop_in_place(rest as *mut [T]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alloc::{Arc, Vec};

    /// Three values, each with a reference to `count`.
    fn three(count: &Arc<()>) -> Few<(u8, Arc<()>), 3> {
        let mut few = Few::new();
        for number in 0..3 {
            assert!(few.try_push((number, count.clone())).is_ok());
        }
        few
    }

    #[test]
    fn each_value_is_dropped_once() {
        let count = Arc::new(());
        let mut few = three(&count);
        assert_eq!(few.try_push((3, count.clone())).map_err(|(number, _)| number), Err(3));
        assert_eq!((few.len(), Arc::strong_count(&count)), (3, 4));
        drop(few);
        assert_eq!(Arc::strong_count(&count), 1);

        let mut few = three(&count);
        let mut taken = few.take_all();
        assert_eq!(taken.next().map(|(number, _)| number), Some(0));
        assert_eq!(Arc::strong_count(&count), 3);
        drop(taken);
        assert_eq!((few.len(), Arc::strong_count(&count)), (0, 1));
    }

    #[test]
    fn the_first_is_taken_out_and_put_back() {
        let count = Arc::new(());
        let numbers =
            |few: &Few<(u8, Arc<()>), 3>| few.as_slice().iter().map(|(number, _)| *number).collect::<Vec<_>>();
        let mut few = three(&count);
        let first = few.remove_first().expect("three");
        assert_eq!((first.0, numbers(&few)), (0, [1, 2].to_vec()));
        assert!(few.insert_first(first).is_ok());
        assert_eq!(numbers(&few), [0, 1, 2]);
        assert!(few.insert_first((9, count.clone())).is_err());
        few.take_all().for_each(drop);
        assert!(few.remove_first().is_none());
        assert_eq!(Arc::strong_count(&count), 1);
    }
}
