//! [`BindingId`]: the number by which user space names a dma-buf that is bound.

use crate::assert::assert_not_impl_any;
use alloc::vec::Vec;
use core::fmt;

/// A number that no other binding has while this value lives: 1 to 2^32 - 1, never 0.
///
/// Numbers are given in order and come round, as in Linux, so that one that was just given up is not the next to be
/// given: a message that is late names nothing rather than the wrong memory.
///
/// ```
/// use netmem::provider::BindingId;
///
/// let (first, second) = (BindingId::new().expect("memory is free"), BindingId::new().expect("memory is free"));
/// assert!(first.get() != 0 && first.get() != second.get());
/// ```
#[derive(PartialEq, Eq)]
pub struct BindingId(u32);

assert_not_impl_any!(BindingId: Clone, Copy, Default, From<u32>);

/// The numbers that are out, in no order, and the one that was given last.
struct Given {
    live: Vec<u32>,
    last: u32,
}

static GIVEN: spin::Mutex<Given> = spin::Mutex::new(Given { live: Vec::new(), last: 0 });

impl BindingId {
    /// A number of one's own. `None` when there is no memory to note it, or 2^32 - 1 are out.
    #[doc(alias = "xa_alloc_cyclic")]
    pub fn new() -> Option<Self> {
        let mut given = GIVEN.lock();
        given.live.try_reserve(1).ok()?;
        // Of one more number than are out one is free.
        for _ in 0..=given.live.len() {
            given.last = given.last.checked_add(1).unwrap_or(1);
            if !given.live.contains(&given.last) {
                let id = given.last;
                given.live.push(id);
                return Some(BindingId(id));
            }
        }
        None
    }

    /// The number.
    pub fn get(&self) -> u32 {
        self.0
    }
}

impl Drop for BindingId {
    fn drop(&mut self) {
        let mut given = GIVEN.lock();
        if let Some(at) = given.live.iter().position(|id| *id == self.0) {
            given.live.swap_remove(at);
        }
    }
}

impl fmt::Debug for BindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BindingId({})", self.0)
    }
}

impl fmt::Display for BindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_round_past_zero_and_past_those_that_are_out() {
        let first = BindingId::new().unwrap();
        let before = first.get();
        GIVEN.lock().last = u32::MAX - 1;
        let (last, next) = (BindingId::new().unwrap(), BindingId::new().unwrap());
        assert_eq!(last.get(), u32::MAX);
        assert!(next.get() != 0 && next.get() != before);
        drop(last);
        assert!(!GIVEN.lock().live.contains(&u32::MAX));
    }
}
