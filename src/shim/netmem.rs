//! The helpers of include/net/netmem.h.

use crate::memory::{Kind, NetIov, NetmemDesc, NetmemRef, Page, PoolId};
use crate::mm::{PageRef, Zone};

pub use crate::mm::{netmem_address, netmem_is_pfmemalloc};

/// The cast of the thread: page to netmem. There is none back; see [`netmem_to_page`].
#[inline]
pub fn page_to_netmem(page: &Page) -> NetmemRef<'_> {
    page.into()
}

/// net_iov to netmem.
#[inline]
pub fn net_iov_to_netmem(niov: &NetIov) -> NetmemRef<'_> {
    niov.into()
}

/// The page that holds the byte at `data`, with a reference of mm's: cast it by [`page_to_netmem`]. `None` when the
/// address is not of an allocated page of this zone.
#[inline]
pub fn virt_to_netmem(zone: &Zone, data: *const u8) -> Option<PageRef> {
    zone.virt_to_page(data)
}

/// Whether it is a net_iov.
#[inline]
pub fn netmem_is_net_iov<K: Kind>(netmem: NetmemRef<'_, K>) -> bool {
    netmem.is_net_iov()
}

/// The page, if it is one: recovers what went in. In C a net_iov gives a warning and `NULL`.
#[inline]
pub fn netmem_to_page<K: Kind>(netmem: NetmemRef<'_, K>) -> Option<&Page> {
    netmem.backing().page()
}

/// The net_iov, if it is one.
#[inline]
pub fn netmem_to_net_iov<K: Kind>(netmem: NetmemRef<'_, K>) -> Option<&NetIov> {
    netmem.backing().net_iov()
}

/// The page of a handle that is known to name one: C leaves that out of the check, here the kind has it (rule C2).
#[inline]
pub fn __netmem_to_page(netmem: NetmemRef<'_, Page>) -> &Page {
    netmem.page()
}

/// The view that page and net_iov share.
#[inline]
pub fn netmem_to_nmdesc<K: Kind>(netmem: NetmemRef<'_, K>) -> &NetmemDesc {
    netmem.desc()
}

/// The pool that owns the memory.
#[inline]
pub fn netmem_get_pp<K: Kind>(netmem: NetmemRef<'_, K>) -> Option<PoolId> {
    netmem.pp()
}
