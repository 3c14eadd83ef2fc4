//! Rule C1: a `NetIov` becomes a `Page`. Every impl here is forbidden.

use crate::{NetIov, Page};

impl<'a> From<&'a NetIov> for &'a Page {
    fn from(_: &'a NetIov) -> Self {
        unimplemented!()
    }
}

impl AsRef<Page> for NetIov {
    fn as_ref(&self) -> &Page {
        unimplemented!()
    }
}

impl core::borrow::Borrow<Page> for NetIov {
    fn borrow(&self) -> &Page {
        unimplemented!()
    }
}

// A coercion is lifted by nothing else.
impl core::ops::Deref for NetIov {
    type Target = Page;

    fn deref(&self) -> &Page {
        unimplemented!()
    }
}

impl NetIov {
    pub fn page(&self) -> &Page {
        unimplemented!()
    }
}
