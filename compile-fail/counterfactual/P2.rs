//! Rule P2: what is for headers comes from device memory. Every impl here is forbidden.

use crate::{Frag, NetIov, Page, PagePool};

impl From<PagePool<NetIov>> for PagePool<Page> {
    fn from(_: PagePool<NetIov>) -> Self {
        unimplemented!()
    }
}

impl From<Frag<NetIov>> for Frag<Page> {
    fn from(_: Frag<NetIov>) -> Self {
        unimplemented!()
    }
}
