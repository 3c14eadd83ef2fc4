//! Rule P1: a provider returns the other kind, or has none. Every impl here is forbidden.

use crate::page_pool::{AnyProvider, MemoryKind};
use crate::{FreeIov, FreePage, MemoryProvider, NetIov, Netmem, Page, PageOrIov};
use crate::alloc::Arc;

impl From<FreeIov> for FreePage {
    fn from(_: FreeIov) -> Self {
        unimplemented!()
    }
}

impl From<Netmem<Page>> for Netmem<NetIov> {
    fn from(_: Netmem<Page>) -> Self {
        unimplemented!()
    }
}

impl MemoryKind for PageOrIov {
    type Free = FreePage;

    fn any(_: Arc<dyn MemoryProvider<Kind = Self>>) -> AnyProvider {
        unimplemented!()
    }
}
