//! Rule O2: references are taken in passing. Every impl here is forbidden.

use crate::{Frag, Kind, Netmem, Page, PageRef, Shares};

impl<K: Kind> Clone for Netmem<K> {
    fn clone(&self) -> Self {
        unimplemented!()
    }
}

impl<K: Kind> Clone for Frag<K> {
    fn clone(&self) -> Self {
        unimplemented!()
    }
}

impl<K: Kind> Clone for Shares<K> {
    fn clone(&self) -> Self {
        unimplemented!()
    }
}

impl Clone for PageRef {
    fn clone(&self) -> Self {
        unimplemented!()
    }
}

impl From<PageRef> for Frag<Page> {
    fn from(_: PageRef) -> Self {
        unimplemented!()
    }
}
