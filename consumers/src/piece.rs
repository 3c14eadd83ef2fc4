//! What the two ends of user space share: [`Home`], where a piece goes when its value is dropped, and [`PieceError`].
//!
//! A *piece* is memory that a program holds: a range of a dma-buf, or of the memory that the program lent for zcrx. The
//! kernel names it by a number. The program's end makes one value of each number that it takes, and the value gives
//! the number back once (rule S4).

use crate::alloc::TryReserveError;
use crate::alloc::Vec;
use crate::errno::{EFAULT, ENODEV};
use crate::sync::Lock;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::{Acquire, Release};
use netmem::dma::{PeerError, PeerMemory};

/// Numbers that came back with the values that were dropped, and that the kernel has not been told yet.
///
/// # Invariants
///
/// `noted` has room for `out` more numbers, so that dropping a value allocates nothing and cannot fail.
pub(crate) struct Owed<N> {
    noted: Vec<N>,
    out: usize,
}

impl<N> Owed<N> {
    pub(crate) const fn new() -> Self {
        Owed { noted: Vec::new(), out: 0 }
    }

    /// Makes room for `pieces` more values.
    pub(crate) fn reserve(&mut self, pieces: usize) -> Result<(), TryReserveError> {
        self.noted.try_reserve(self.out.saturating_add(pieces))
    }

    /// Notes that a value was made, for which there is [room](Self::reserve).
    pub(crate) fn lend(&mut self) {
        debug_assert!(self.noted.len() + self.out < self.noted.capacity());
        // INVARIANT: the caller has made room.
        self.out += 1;
    }

    /// Notes the number of a value that was dropped.
    pub(crate) fn note(&mut self, number: N) {
        // INVARIANT: the room that was this value's is the number's now.
        self.out -= 1;
        self.noted.push(number);
    }

    /// The numbers that the kernel has not been told. They may be taken out, and no number may be added.
    pub(crate) fn noted(&mut self) -> &mut Vec<N> {
        &mut self.noted
    }

    /// Returns how many values there are.
    pub(crate) fn out(&self) -> usize {
        self.out
    }
}

/// Where the pieces of one end go, and whether the kernel has taken all of them back.
pub(crate) struct Home<R> {
    returns: Lock<R>,
    closed: AtomicBool,
}

impl<R> Home<R> {
    pub(crate) fn new(returns: R) -> Self {
        Home { returns: Lock::new(returns), closed: AtomicBool::new(false) }
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut R) -> T) -> T {
        self.returns.with(f)
    }

    /// The kernel is about to take back every piece: from now on the memory is not the program's.
    pub(crate) fn close(&self) {
        self.closed.store(true, Release);
    }

    /// Copies bytes of a piece that begins at `start` of `memory` and has `has` bytes.
    pub(crate) fn read(
        &self,
        memory: &dyn PeerMemory,
        start: Option<usize>,
        has: u32,
        at: u32,
        to: &mut [u8],
    ) -> Result<(), PieceError> {
        let len = to.len();
        if len > has as usize || at as usize > has as usize - len {
            return Err(PieceError::Range { at, len, has });
        }
        let begin = start.and_then(|start| start.checked_add(at as usize));
        let offset = begin.ok_or(PeerError { offset: usize::MAX, len })?;
        memory.read(offset, to)?;
        // Asked afterwards: what was read before the memory changed hands is the piece's.
        if self.closed.load(Acquire) { Err(PieceError::Closed) } else { Ok(()) }
    }
}

/// Why no bytes of a piece were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PieceError {
    /// The range leaves the piece.
    #[error("{len} bytes from byte {at} on leave a piece of {has} bytes: read inside it")]
    Range {
        /// First byte, within the piece.
        at: u32,
        /// How many bytes were asked for.
        len: usize,
        /// How many bytes the piece has.
        has: u32,
    },
    /// The kernel's end is gone, and has taken the memory back. What was read may be another packet's.
    #[error("the socket or the instance that the piece came from is closed: read pieces before it is")]
    Closed,
    /// The memory refused the read.
    #[error(transparent)]
    Memory(#[from] PeerError),
}

impl PieceError {
    /// Returns EFAULT for memory that cannot be read, and ENODEV for an end that is closed. They are the nearest: Linux
    /// has no such calls, because its program reads the memory itself.
    pub fn errno(&self) -> i32 {
        match self {
            PieceError::Range { .. } => EFAULT,
            PieceError::Closed => ENODEV,
            PieceError::Memory(reason) => reason.errno(),
        }
    }
}
