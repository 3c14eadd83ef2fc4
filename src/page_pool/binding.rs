//! [`BindingId`]: the number by which user space names a dma-buf that is bound.

use super::DmabufError;
use crate::alloc::Vec;
use crate::assert::assert_not_impl_any;
use core::fmt;

/// A number that no other binding has while this value lives: 1 to 2^32 - 1, never 0.
///
/// Each area of the binding keeps the value ([`NetIovArea::carve_bound`](crate::NetIovArea::carve_bound)). So the number
/// is in use until the binding and its last net_iov are gone, and a frag never names the binding of other memory.
///
/// User space sees 32 bits, so numbers come round. That does no harm, for two reasons. A number that is in use is not
/// given. And no decision about memory asks the number: a provider knows its net_iovs by the value itself, which exists
/// once. Numbers are given in order, as in Linux, so that a number that was just given up is not the next to be given: a
/// message that is late names nothing rather than the wrong memory.
///
/// ```
/// use netmem::page_pool::BindingId;
///
/// let (first, second) = (BindingId::new()?, BindingId::new()?);
/// assert!(first.number() != 0 && first.number() != second.number());
/// # Ok::<(), netmem::page_pool::DmabufError>(())
/// ```
pub struct BindingId(u32);

assert_not_impl_any!(BindingId: Clone, Copy, Default, From<u32>, PartialEq);

/// The numbers from 1 to `max`, and which of them are in use.
///
/// # Invariants
///
/// `used` ascends strictly, and each number in it belongs to one [`BindingId`].
struct Numbers {
    used: Vec<u32>,
    /// The number that was given last.
    last: u32,
    max: u32,
}

static NUMBERS: spin::Mutex<Numbers> = spin::Mutex::new(Numbers::new(u32::MAX));

impl Numbers {
    const fn new(max: u32) -> Self {
        Numbers { used: Vec::new(), last: 0, max }
    }

    /// Gives the first number behind the last one that is not in use. Behind `max` comes 1.
    fn take(&mut self) -> Result<u32, DmabufError> {
        if self.used.len() as u64 >= u64::from(self.max) {
            return Err(DmabufError::AllInUse { count: self.max });
        }
        self.used.try_reserve(1).map_err(|_| DmabufError::NoMemory)?;
        let mut id = if self.last < self.max { self.last + 1 } else { 1 };
        let mut at = self.used.partition_point(|used| *used < id);
        // Of one more number than are in use, one is free.
        for _ in 0..self.used.len() {
            if self.used.get(at) != Some(&id) {
                break;
            }
            (id, at) = if id < self.max { (id + 1, at + 1) } else { (1, 0) };
        }
        // INVARIANT: those before `at` are smaller, and the one at it is larger.
        self.used.insert(at, id);
        self.last = id;
        Ok(id)
    }

    /// Takes a number back.
    fn put(&mut self, id: u32) {
        if let Ok(at) = self.used.binary_search(&id) {
            self.used.remove(at);
        }
    }
}

impl BindingId {
    /// Takes a number that is not in use.
    ///
    /// # Errors
    ///
    /// [`DmabufError::NoMemory`] or [`DmabufError::AllInUse`].
    #[doc(alias = "xa_alloc_cyclic")]
    pub fn new() -> Result<Self, DmabufError> {
        NUMBERS.lock().take().map(BindingId)
    }

    /// Returns the number.
    pub fn number(&self) -> u32 {
        self.0
    }

    /// A second value with the same number: what must not be.
    #[cfg(test)]
    pub(crate) fn twin(&self) -> Self {
        BindingId(self.0)
    }

    /// The number that would be given if the one before `id` was the last. It is given back at once.
    #[cfg(test)]
    pub(crate) fn next_from(id: u32) -> u32 {
        let mut numbers = NUMBERS.lock();
        let last = core::mem::replace(&mut numbers.last, id - 1);
        let next = numbers.take().unwrap();
        numbers.put(next);
        numbers.last = last;
        next
    }
}

impl Drop for BindingId {
    fn drop(&mut self) {
        NUMBERS.lock().put(self.0);
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
    fn numbers_come_round_past_zero_and_past_those_in_use() {
        let mut numbers = Numbers::new(u32::MAX);
        assert_eq!([(); 3].map(|()| numbers.take()), [Ok(1), Ok(2), Ok(3)]);
        numbers.put(2);
        assert_eq!(numbers.take(), Ok(4), "what was just given up is not the next");
        numbers.last = u32::MAX - 2;
        // 0 is no number, and 1 is in use.
        assert_eq!([(); 4].map(|()| numbers.take()), [Ok(u32::MAX - 1), Ok(u32::MAX), Ok(2), Ok(5)]);
        assert_eq!(numbers.used, [1, 2, 3, 4, 5, u32::MAX - 1, u32::MAX]);
    }

    /// With a few numbers only: every order of taking and putting gives numbers that are not in use, and refuses when
    /// there are none.
    #[test]
    fn a_number_in_use_is_never_given() {
        for max in 1..=5_u32 {
            let mut numbers = Numbers::new(max);
            let (mut held, mut random) = (Vec::new(), 1_u64);
            for _ in 0..2000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                if random >> 63 == 0 || held.is_empty() {
                    match numbers.take() {
                        Ok(id) => {
                            assert!((1..=max).contains(&id) && !held.contains(&id));
                            held.push(id);
                        }
                        Err(error) => {
                            assert_eq!(error, DmabufError::AllInUse { count: max });
                            assert_eq!(held.len(), max as usize);
                        }
                    }
                } else {
                    let id = held.swap_remove((random >> 33) as usize % held.len());
                    numbers.put(id);
                }
                assert_eq!(numbers.used.len(), held.len());
            }
        }
    }
}
