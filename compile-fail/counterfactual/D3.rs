//! Rule D3: what is no page is mapped. The impl here is forbidden.

use crate::{NetIov, Page};

impl<'a> From<&'a NetIov> for &'a Page {
    fn from(_: &'a NetIov) -> Self {
        unimplemented!()
    }
}
