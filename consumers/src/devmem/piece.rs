//! [`DevmemPiece`]: a piece of a packet in device memory.

use super::uapi::{DmabufCmsg, DmabufToken};
use crate::alloc::Arc;
use crate::assert::assert_not_impl_any;
use crate::piece::{Home, Owed, PieceError};
use core::fmt;
use netmem::dma::PeerMemory;
use static_assertions::assert_impl_all;

/// Where the pieces of a socket go: the tokens of those that were dropped.
pub(super) type Tokens = Home<Owed<u32>>;

/// A piece of a packet in device memory. It is returned once, because it is a value (rule S4).
///
/// [`DevmemUser::recv`](super::DevmemUser::recv) makes it, and nothing else does. Dropping it is what returns it, as
/// dropping a [`Netmem`](netmem::Netmem) is the put: an early return loses no memory. [`give_back`](Self::give_back) is the
/// same with a name. Its token reaches the kernel with the next [`recv`](super::DevmemUser::recv) or
/// [`settle`](super::DevmemUser::settle), because a system call for each piece would be slow. `forget` leaks the piece
/// until the socket is closed.
///
/// ```compile_fail,E0382
/// # fn twice(piece: netmem_consumers::devmem::DevmemPiece) {
/// piece.give_back();
/// piece.give_back(); // by then the token may be another piece's
/// # }
/// ```
pub struct DevmemPiece {
    told: DmabufCmsg,
    home: Arc<Tokens>,
}

assert_not_impl_any!(DevmemPiece: Clone, Copy, Default, From<DmabufCmsg>, From<DmabufToken>, core::ops::Deref);
assert_impl_all!(DevmemPiece: Send, Sync);

impl DevmemPiece {
    /// The value of a message that was just read, and [lent](Owed::lend).
    pub(super) fn new(told: DmabufCmsg, home: Arc<Tokens>) -> Self {
        DevmemPiece { told, home }
    }

    /// Returns which dma-buf it is in: [`DmabufProvider::id`](netmem::provider::DmabufProvider::id).
    pub fn dmabuf_id(&self) -> u32 {
        self.told.dmabuf_id
    }

    /// Returns the offset of the first byte in the dma-buf.
    pub fn offset(&self) -> u64 {
        self.told.frag_offset
    }

    /// Returns how many bytes it has.
    pub fn len(&self) -> u32 {
        self.told.frag_size
    }

    /// Returns whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.told.frag_size == 0
    }

    /// Returns the numbers of its control message. They name it, and are no piece.
    pub fn cmsg(&self) -> DmabufCmsg {
        self.told
    }

    /// Copies `to.len()` bytes from byte `at` of the piece on, out of the dma-buf that the program has.
    ///
    /// The piece does not know the memory: the program exported it, and finds it by [`dmabuf_id`](Self::dmabuf_id).
    ///
    /// # Errors
    ///
    /// [`PieceError`]: the range leaves the piece, the memory refused, or the socket was closed, so that the memory may be
    /// another packet's. What is in `to` means nothing then.
    pub fn read(&self, memory: &dyn PeerMemory, at: u32, to: &mut [u8]) -> Result<(), PieceError> {
        self.home.read(memory, usize::try_from(self.told.frag_offset).ok(), self.len(), at, to)
    }

    /// Gives it back: the same as dropping it.
    #[doc(alias = "SO_DEVMEM_DONTNEED")]
    pub fn give_back(self) {}
}

impl Drop for DevmemPiece {
    fn drop(&mut self) {
        self.home.with(|owed| owed.note(self.told.frag_token));
    }
}

impl fmt::Debug for DevmemPiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DevmemPiece({} bytes at {:#x} of dma-buf {})", self.len(), self.offset(), self.dmabuf_id())
    }
}
