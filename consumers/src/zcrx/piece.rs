//! [`ZcrxPiece`]: a piece of a packet in the program's memory.

use super::user::UserHome;
use super::{ZcrxCqe, ZcrxRqe};
use crate::alloc::Arc;
use crate::assert::assert_not_impl_any;
use crate::piece::PieceError;
use core::fmt;
use netmem::dma::PeerError;
use static_assertions::assert_impl_all;

/// A piece of a packet in memory that the program lent. It is given back once, because it is a value (rule S4).
///
/// [`ZcrxUser::receive`](super::ZcrxUser::receive) makes it, and nothing else does. Dropping it is what gives it back,
/// as dropping a [`Netmem`](netmem::Netmem) is the put: an early return loses no memory.
/// [`give_back`](Self::give_back) is the same with a name. It never fails: if the refill ring is full, the entry waits for
/// the next call of `receive` or [`settle`](super::ZcrxUser::settle). `forget` leaks the piece until the instance is closed.
///
/// The kernel counts pieces per net_iov, in Linux and here, and does not know them apart. A program that writes numbers
/// itself ([`ring`](super::ZcrxUser::ring)) can therefore give one of its pieces back twice, and lose another piece of the
/// same net_iov. It harms itself alone. The kernel notices when the other piece comes back, too
/// ([`not_held`](super::ZcrxStats::not_held)).
///
/// ```compile_fail,E0382
/// # fn twice(piece: netmem_consumers::zcrx::ZcrxPiece) {
/// piece.give_back();
/// piece.give_back(); // it would be another piece
/// # }
/// ```
pub struct ZcrxPiece {
    cqe: ZcrxCqe,
    home: Arc<UserHome>,
}

assert_not_impl_any!(ZcrxPiece: Clone, Copy, Default, From<ZcrxCqe>, From<ZcrxRqe>, core::ops::Deref);
assert_impl_all!(ZcrxPiece: Send, Sync);

impl ZcrxPiece {
    /// The value of a completion that was just taken out of the ring, and [lent](crate::piece::Owed::lend).
    pub(super) fn new(cqe: ZcrxCqe, home: Arc<UserHome>) -> Self {
        ZcrxPiece { cqe, home }
    }

    /// Returns which area it is in, from 0, in the order of registration.
    pub fn area(&self) -> u32 {
        self.cqe.area()
    }

    /// Returns the offset of the first byte in the area.
    pub fn offset(&self) -> u64 {
        self.cqe.offset()
    }

    /// Returns how many bytes it has.
    pub fn len(&self) -> u32 {
        self.cqe.len
    }

    /// Returns whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.cqe.len == 0
    }

    /// Returns the numbers of its completion. They name it, and are no piece.
    pub fn cqe(&self) -> ZcrxCqe {
        self.cqe
    }

    /// Copies `to.len()` bytes from byte `at` of the piece on.
    ///
    /// # Errors
    ///
    /// [`PieceError`]: the range leaves the piece, the memory refused, or the instance was closed, so that the memory may be
    /// another packet's. What is in `to` means nothing then.
    pub fn read(&self, at: u32, to: &mut [u8]) -> Result<(), PieceError> {
        let missing = PeerError { offset: usize::MAX, len: to.len() };
        let area = self.home.area(self.area()).ok_or(missing)?;
        let start = usize::try_from(self.offset()).ok().and_then(|offset| area.offset.checked_add(offset));
        self.home.home.read(&*area.memory, start, self.len(), at, to)
    }

    /// Gives it back: the same as dropping it.
    #[doc(alias = "io_zcrx_ring_refill")]
    pub fn give_back(self) {}
}

impl Drop for ZcrxPiece {
    fn drop(&mut self) {
        self.home.give_back(self.cqe.rqe());
    }
}

impl fmt::Debug for ZcrxPiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ZcrxPiece({} bytes at {:#x} of area {})", self.len(), self.offset(), self.area())
    }
}
