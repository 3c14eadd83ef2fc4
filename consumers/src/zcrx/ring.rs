//! [`RefillRing`] and [`CompletionRing`]: the memory that a program and the kernel share.

use super::RegisterError;
use super::uapi::{ZcrxCqe, ZcrxRqe};
use crate::alloc::Box;
use crate::alloc::Vec;
use crate::alloc::{Arc, NoMemory, try_arc};
use core::fmt;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};

/// The longest refill ring that there is.
pub const MAX_RQ_ENTRIES: u32 = 32768;
/// The longest completion ring that there is.
pub const MAX_CQ_ENTRIES: u32 = 65536;

/// Positions are `u32` and count on when they pass 2^32. A ring has a power of two of entries, of at most these. Such a
/// number divides 2^32, so the entry behind that of position 2^32 - 1 is that of position 0.
const _: () = {
    assert!(MAX_RQ_ENTRIES.is_power_of_two() && MAX_CQ_ENTRIES.is_power_of_two());
    assert!((1 << 32) % MAX_RQ_ENTRIES as u64 == 0 && (1 << 32) % MAX_CQ_ENTRIES as u64 == 0);
};

/// Keeps what one side writes away from what the other writes.
#[repr(align(64))]
struct Line(AtomicU32);

/// Head, tail and entries of `WORDS` words each.
///
/// The program can write all of it, because it has it mapped. So nothing in it is believed, and nothing of it is ever seen
/// as a reference to plain memory: every word is an atomic and is read once.
///
/// # Invariants
///
/// The number of entries is a power of two of at most [`MAX_CQ_ENTRIES`], so it divides 2^32.
struct Shared<const WORDS: usize> {
    head: Line,
    tail: Line,
    entries: Box<[[AtomicU64; WORDS]]>,
}

impl<const WORDS: usize> Shared<WORDS> {
    /// Makes a ring of `entries` entries, rounded up to a power of two, whose registers are at `start`: 0, and in tests
    /// anything.
    fn new(entries: u32, start: u32) -> Result<Self, RegisterError> {
        let len = entries.next_power_of_two() as usize;
        let mut words = Vec::new();
        words.try_reserve_exact(len).map_err(|_| RegisterError::NoMemory)?;
        words.extend((0..len).map(|_| [const { 0 }; WORDS].map(AtomicU64::new)));
        // INVARIANT: both callers allow at most `MAX_CQ_ENTRIES`, which is itself a power of two.
        Ok(Shared {
            head: Line(AtomicU32::new(start)),
            tail: Line(AtomicU32::new(start)),
            entries: words.into_boxed_slice(),
        })
    }

    fn len(&self) -> u32 {
        // CAST: at most 65536, by the invariant.
        self.entries.len() as u32
    }

    fn entry(&self, position: u32) -> &[AtomicU64; WORDS] {
        &self.entries[position as usize & (self.entries.len() - 1)]
    }

    fn store(&self, position: u32, words: [u64; WORDS]) {
        for (to, word) in self.entry(position).iter().zip(words) {
            to.store(word, Relaxed);
        }
    }

    /// Reads the entry at a position: each word once.
    fn load(&self, position: u32) -> [u64; WORDS] {
        let entry = self.entry(position);
        core::array::from_fn(|at| entry[at].load(Relaxed))
    }
}

/// The refill ring: memory through which a program gives pieces back.
///
/// An owner of it can write all of it, as a program can that has it mapped. A program that behaves does not use it: it
/// drops its [pieces](super::ZcrxPiece). This is for the tests of a program that does not.
pub struct RefillRing(Shared<2>);

impl RefillRing {
    /// Makes a ring for `entries` entries, rounded up to a power of two, whose registers are at `start`.
    pub(super) fn new(entries: u32, start: u32) -> Result<Arc<Self>, RegisterError> {
        if !(1..=MAX_RQ_ENTRIES).contains(&entries) {
            return Err(RegisterError::Entries { entries });
        }
        try_arc(RefillRing(Shared::new(entries, start)?)).map_err(|NoMemory| RegisterError::NoMemory)
    }

    /// Returns how many entries it has, a power of two.
    #[expect(clippy::len_without_is_empty, reason = "this is its size; what is in it nobody can know for sure")]
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// Reads the head: how far the kernel has come.
    pub fn head(&self) -> u32 {
        self.0.head.0.load(Acquire)
    }

    /// Writes the head, which is the kernel's. The kernel does not look there.
    pub fn store_head(&self, head: u32) {
        self.0.head.0.store(head, Release);
    }

    /// Reads the tail: each call reads the memory once.
    pub(super) fn tail(&self) -> u32 {
        self.0.tail.0.load(Acquire)
    }

    /// Writes the tail: entries before it are there.
    pub fn store_tail(&self, tail: u32) {
        self.0.tail.0.store(tail, Release);
    }

    /// Writes the entry at a position, which is taken modulo the ring's size.
    pub fn store(&self, position: u32, entry: ZcrxRqe) {
        self.0.store(position, zerocopy::transmute!(entry));
    }

    /// Reads the entry at a position, which is taken modulo the ring's size.
    pub(super) fn load(&self, position: u32) -> ZcrxRqe {
        zerocopy::transmute!(self.0.load(position))
    }
}

impl fmt::Debug for RefillRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefillRing").field("len", &self.len()).field("head", &self.head()).finish()
    }
}

/// The completion ring: memory through which the kernel tells a program where its pieces are.
///
/// An owner of it can read the entries, which are numbers, and write the head, as a program can that has it mapped. A
/// program that behaves does not use it: it takes values ([`ZcrxUser::receive`](super::ZcrxUser::receive)).
pub struct CompletionRing(Shared<4>);

impl CompletionRing {
    /// Makes a ring for `entries` entries, rounded up to a power of two, whose registers are at `start`.
    pub(super) fn new(entries: u32, start: u32) -> Result<Arc<Self>, RegisterError> {
        if !(1..=MAX_CQ_ENTRIES).contains(&entries) {
            return Err(RegisterError::CqEntries { entries });
        }
        try_arc(CompletionRing(Shared::new(entries, start)?)).map_err(|NoMemory| RegisterError::NoMemory)
    }

    /// Returns how many entries it has, a power of two.
    #[expect(clippy::len_without_is_empty, reason = "this is its size; what is in it nobody can know for sure")]
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// Reads the head: how far the program has come.
    pub fn head(&self) -> u32 {
        self.0.head.0.load(Acquire)
    }

    /// Writes the head: the kernel may overwrite the entries before it, and a program that has not taken them out loses
    /// them. The kernel takes the ring for full when the head is not inside it, and
    /// [counts](super::ZcrxStats::bad_cq_head) that.
    pub fn store_head(&self, head: u32) {
        self.0.head.0.store(head, Release);
    }

    /// Reads the tail: entries before it are there.
    pub fn tail(&self) -> u32 {
        self.0.tail.0.load(Acquire)
    }

    /// Reads the entry at a position, which is taken modulo the ring's size.
    pub fn load(&self, position: u32) -> ZcrxCqe {
        zerocopy::transmute!(self.0.load(position))
    }
}

impl fmt::Debug for CompletionRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, tail) = (self.head(), self.tail());
        f.debug_struct("CompletionRing").field("len", &self.len()).field("head", &head).field("tail", &tail).finish()
    }
}

/// The kernel's end of a [`CompletionRing`].
pub(super) struct Completions {
    ring: Arc<CompletionRing>,
    /// The kernel's own count. What stands in the ring is a copy for the program.
    tail: u32,
}

/// Why no completion can be written.
pub(super) enum NoRoom {
    /// The program has not taken the entries out.
    Full,
    /// The head that the program wrote is not inside the ring.
    BadHead,
}

impl Completions {
    pub(super) fn new(ring: Arc<CompletionRing>) -> Self {
        let tail = ring.tail();
        Completions { ring, tail }
    }

    /// Returns whether there is room for one more entry.
    pub(super) fn room(&self) -> Result<(), NoRoom> {
        // The distance is right across 2^32, because both count on there and are at most 2^16 apart.
        match self.tail.wrapping_sub(self.ring.head()) {
            used if used < self.ring.len() => Ok(()),
            used if used == self.ring.len() => Err(NoRoom::Full),
            _ => Err(NoRoom::BadHead),
        }
    }

    /// Writes an entry, for which there is [room](Self::room).
    pub(super) fn push(&mut self, entry: ZcrxCqe) {
        self.ring.0.store(self.tail, zerocopy::transmute!(entry));
        self.tail = self.tail.wrapping_add(1);
        self.ring.0.tail.0.store(self.tail, Release);
    }
}
