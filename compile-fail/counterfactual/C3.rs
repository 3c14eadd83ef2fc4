//! Rule C3: the view becomes the whole. Every impl here is forbidden.

use crate::{NetIov, NetmemDesc, NetmemRef, Page};

impl<'a> From<&'a NetmemDesc> for &'a Page {
    fn from(_: &'a NetmemDesc) -> Self {
        unimplemented!()
    }
}

impl<'a> From<&'a NetmemDesc> for &'a NetIov {
    fn from(_: &'a NetmemDesc) -> Self {
        unimplemented!()
    }
}

impl<'a> From<&'a NetmemDesc> for NetmemRef<'a> {
    fn from(_: &'a NetmemDesc) -> Self {
        unimplemented!()
    }
}

impl core::borrow::Borrow<Page> for NetmemDesc {
    fn borrow(&self) -> &Page {
        unimplemented!()
    }
}
