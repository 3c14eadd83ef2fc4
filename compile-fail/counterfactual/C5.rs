//! Rule C5: functions of mm get what is no page. Every impl here is forbidden.

use crate::{NetIov, NetmemDesc, NetmemRef, Page};

// A coercion is lifted by nothing else.
impl core::ops::Deref for NetIov {
    type Target = Page;

    fn deref(&self) -> &Page {
        unimplemented!()
    }
}

impl<'a> From<NetmemRef<'a, NetIov>> for &'a Page {
    fn from(_: NetmemRef<'a, NetIov>) -> Self {
        unimplemented!()
    }
}

impl<'a> From<NetmemRef<'a>> for &'a Page {
    fn from(_: NetmemRef<'a>) -> Self {
        unimplemented!()
    }
}

impl<'a> From<&'a NetmemDesc> for &'a Page {
    fn from(_: &'a NetmemDesc) -> Self {
        unimplemented!()
    }
}

impl<'a> NetmemRef<'a, NetIov> {
    pub fn page(self) -> &'a Page {
        unimplemented!()
    }
}
