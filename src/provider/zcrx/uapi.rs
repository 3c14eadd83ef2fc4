//! What crosses the border: the numbers of io_uring's zcrx interface.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The bit of an offset from which on it names the area.
pub const AREA_SHIFT: u32 = 48;
/// How many areas a program may register with one instance.
pub const MAX_AREAS: usize = 1024;

/// An entry of the refill ring: `struct io_uring_zcrx_rqe`. The program writes it, and may write anything.
///
/// It is data. There is no way from here to a handle (rule C4) but through the references that the program has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ZcrxRqe {
    /// The area from bit 48 on, and the offset of the piece in it.
    pub off: u64,
    /// How long the piece is. Nobody looks.
    pub len: u32,
    /// Must be 0.
    pub pad: u32,
}

/// Where a piece of a packet is: `struct io_uring_zcrx_cqe`, and the length that stands in the completion before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZcrxCqe {
    /// The area from bit 48 on, and the offset of the first byte in it.
    pub off: u64,
    /// How many bytes.
    pub len: u32,
}

impl ZcrxCqe {
    /// Which area it is in, from 0, in the order of registration.
    pub fn area(self) -> u32 {
        (self.off >> AREA_SHIFT) as u32
    }

    /// The offset of the first byte in the area.
    pub fn offset(self) -> u64 {
        self.off & ((1 << AREA_SHIFT) - 1)
    }

    /// The entry that gives it back.
    pub fn rqe(self) -> ZcrxRqe {
        ZcrxRqe { off: self.off, len: self.len, pad: 0 }
    }
}

/// What the bits of an offset say, nothing believed yet: the area, and the index of the net_iov in it.
pub(super) fn locate(off: u64, niov_shift: u32) -> (u64, u64) {
    (off >> AREA_SHIFT, (off & ((1 << AREA_SHIFT) - 1)) >> niov_shift)
}

/// The offset of a byte of a net_iov, as the program sees it.
pub(super) fn offset(area: usize, index: usize, niov_shift: u32, inside: u32) -> u64 {
    ((area as u64) << AREA_SHIFT) + ((index as u64) << niov_shift) + u64::from(inside)
}

const _: () = assert!(size_of::<ZcrxRqe>() == 16 && align_of::<ZcrxRqe>() == 8);
