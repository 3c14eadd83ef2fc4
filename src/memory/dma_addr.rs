//! [`DmaAddr`]: an address as a device sees it.

use crate::assert::assert_not_impl_any;
use core::fmt;

/// An address that a device may use: `dma_addr_t`.
///
/// In bytes, in the address space of one device. It is a number for a descriptor and not a pointer: no conversion leads
/// from it to memory, and none from a number to it. Only a [`DmaDevice`](crate::dma::DmaDevice), by mapping something,
/// makes one (rule C4).
///
/// ```compile_fail
/// let forged = netmem::DmaAddr::from(0xdead_0000_u64);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct DmaAddr(usize);

assert_not_impl_any!(DmaAddr: Default, From<usize>, From<u64>, zerocopy::FromZeros, zerocopy::TryFromBytes);

impl DmaAddr {
    /// Makes an address of a number that a device handed out.
    ///
    /// # Safety
    ///
    /// `addr` came from a mapping of the device that will use it. It may be old, because an address is only a number: no
    /// ring posts memory whose mapping has ended (rule D5).
    #[inline(always)]
    pub const unsafe fn from_raw(addr: usize) -> Self {
        DmaAddr(addr)
    }

    /// Returns the number, for a descriptor or a report.
    #[inline(always)]
    pub const fn as_raw(self) -> usize {
        self.0
    }

    /// The address `bytes` further on. Whether that is still inside the mapping is the caller's business; a device
    /// faults where it is not.
    #[inline(always)]
    pub(crate) const fn add(self, bytes: usize) -> Self {
        DmaAddr(self.0.wrapping_add(bytes))
    }
}

impl fmt::Debug for DmaAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DmaAddr({:#x})", self.0)
    }
}

impl fmt::LowerHex for DmaAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(&self.0, f)
    }
}
