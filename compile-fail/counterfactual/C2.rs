//! Rule C2: a handle of kind `NetIov`, or of open kind, becomes one of kind `Page`. Every impl here is forbidden.

use crate::{Frag, NetIov, Netmem, NetmemRef, Page};

impl<'a> From<NetmemRef<'a, NetIov>> for NetmemRef<'a, Page> {
    fn from(_: NetmemRef<'a, NetIov>) -> Self {
        unimplemented!()
    }
}

impl<'a> From<&'a NetIov> for NetmemRef<'a, Page> {
    fn from(_: &'a NetIov) -> Self {
        unimplemented!()
    }
}

impl From<Netmem<NetIov>> for Netmem<Page> {
    fn from(_: Netmem<NetIov>) -> Self {
        unimplemented!()
    }
}

impl From<Frag<NetIov>> for Frag<Page> {
    fn from(_: Frag<NetIov>) -> Self {
        unimplemented!()
    }
}

// Not a `From`: that would collide with the `TryFrom` that checks.
impl<'a> NetmemRef<'a> {
    pub fn page(self) -> &'a Page {
        unimplemented!()
    }
}
