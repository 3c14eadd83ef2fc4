//! What crosses the border: the numbers of io_uring's zcrx interface.

use super::ZcrxPiece;
use crate::assert::assert_not_impl_any;
use netmem::memory::NetIov;
use netmem::page_pool::{Frag, Netmem};
use static_assertions::{const_assert, const_assert_eq};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The bit of an offset from which on it names the area.
pub const AREA_SHIFT: u32 = 48;
/// How many areas a program may register with one instance.
pub const MAX_AREAS: usize = 1024;
/// The flag of a completion after which more come for the same request.
pub const CQE_F_MORE: u32 = 1 << 1;

/// An entry of the refill ring: `struct io_uring_zcrx_rqe`. The program writes it, and may write anything.
///
/// It is a number, for programs that do not behave: tests write entries that lie. A program that behaves has
/// [pieces](ZcrxPiece). There is no way from a number to a handle (rule C4) but through the references that the program
/// holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ZcrxRqe {
    /// The area from bit 48 on, and the offset of the piece in it.
    pub off: u64,
    /// How long the piece is. The kernel does not look at it.
    pub len: u32,
    /// Must be 0.
    pub pad: u32,
}

const_assert!(size_of::<ZcrxRqe>() == 16 && align_of::<ZcrxRqe>() == 8);
assert_not_impl_any!(ZcrxRqe: Into<ZcrxPiece>, TryInto<ZcrxPiece>, Into<Netmem<NetIov>>, Into<Frag<NetIov>>);

/// An entry of the completion ring: `struct io_uring_cqe` of 32 bytes, whose second half is `struct io_uring_zcrx_cqe`.
///
/// It is a number: any copy of it names the same piece. The program's end makes one [`ZcrxPiece`] of each entry, and the
/// number never becomes a piece in another way (rule S4).
///
/// ```
/// use netmem_consumers::zcrx::ZcrxCqe;
/// use zerocopy::{FromBytes, IntoBytes};
///
/// let told = ZcrxCqe { len: 1448, off: 3 << 48 | 8192, ..ZcrxCqe::default() };
/// assert_eq!((told.area(), told.offset(), told.rqe().off), (3, 8192, told.off));
/// assert_eq!(ZcrxCqe::read_from_bytes(told.as_bytes()), Ok(told));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ZcrxCqe {
    /// What the request was given to be known by.
    pub user_data: u64,
    /// How many bytes the piece has: `res`, which is signed in C, because other completions have an error there.
    #[doc(alias = "res")]
    pub len: u32,
    /// [`CQE_F_MORE`].
    pub flags: u32,
    /// The area from bit 48 on, and the offset of the first byte in it.
    pub off: u64,
    /// Not used, 0.
    pub pad: u64,
}

const_assert_eq!(size_of::<ZcrxCqe>(), 32);
const_assert!(
    core::mem::offset_of!(ZcrxCqe, user_data) == 0
        && core::mem::offset_of!(ZcrxCqe, len) == 8
        && core::mem::offset_of!(ZcrxCqe, flags) == 12
        && core::mem::offset_of!(ZcrxCqe, off) == 16
        && core::mem::offset_of!(ZcrxCqe, pad) == 24
);
assert_not_impl_any!(ZcrxCqe: Into<ZcrxPiece>, TryInto<ZcrxPiece>, Into<Netmem<NetIov>>, Into<Frag<NetIov>>);

impl ZcrxCqe {
    /// The entry for a piece of an area.
    pub(super) fn piece(area: usize, index: usize, niov_shift: u32, inside: u32, len: u32) -> Self {
        let off = ((area as u64) << AREA_SHIFT) + ((index as u64) << niov_shift) + u64::from(inside);
        ZcrxCqe { user_data: 0, len, flags: CQE_F_MORE, off, pad: 0 }
    }

    /// Returns which area it is in, from 0, in the order of registration.
    pub fn area(self) -> u32 {
        (self.off >> AREA_SHIFT) as u32
    }

    /// Returns the offset of the first byte in the area.
    pub fn offset(self) -> u64 {
        self.off & ((1 << AREA_SHIFT) - 1)
    }

    /// Returns the entry of the refill ring that gives the piece back.
    pub fn rqe(self) -> ZcrxRqe {
        ZcrxRqe { off: self.off, len: self.len, pad: 0 }
    }
}

/// What the bits of an offset say, nothing believed yet: the area, and the index of the net_iov in it.
pub(super) fn locate(off: u64, niov_shift: u32) -> (u64, u64) {
    (off >> AREA_SHIFT, (off & ((1 << AREA_SHIFT) - 1)) >> niov_shift)
}
