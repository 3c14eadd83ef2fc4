//! Rule C4: memory, handles and addresses are made of nothing. Every impl here is forbidden.

use crate::{DmaAddr, NetIov, Netmem, NetmemDesc, NetmemRef, Page};
use zerocopy::{FromZeros, IntoBytes, Maybe, TryFromBytes, invariant::Alignment};

impl From<usize> for NetmemRef<'_> {
    fn from(_: usize) -> Self {
        unimplemented!()
    }
}

impl From<u64> for DmaAddr {
    fn from(_: u64) -> Self {
        unimplemented!()
    }
}

impl Default for DmaAddr {
    fn default() -> Self {
        unimplemented!()
    }
}

impl Default for Netmem {
    fn default() -> Self {
        unimplemented!()
    }
}

unsafe impl TryFromBytes for Page {
    fn only_derive_is_allowed_to_implement_this_trait() {}

    fn is_safe<A: Alignment>(_: Maybe<'_, Self, A>) -> bool {
        true
    }
}

unsafe impl FromZeros for Page {
    fn only_derive_is_allowed_to_implement_this_trait() {}
}

unsafe impl TryFromBytes for NetIov {
    fn only_derive_is_allowed_to_implement_this_trait() {}

    fn is_safe<A: Alignment>(_: Maybe<'_, Self, A>) -> bool {
        true
    }
}

unsafe impl IntoBytes for NetmemDesc {
    fn only_derive_is_allowed_to_implement_this_trait() {}
}
