//! Rule O6: bytes for who is not alone. Every impl here is forbidden.

use crate::skb::SkbFrag;
use crate::{Frag, Kind, NetmemRef, Page, PageRef};

impl PageRef {
    pub fn bytes(&self) -> &[u8] {
        unimplemented!()
    }
}

impl<'a> NetmemRef<'a, Page> {
    pub fn bytes(self) -> &'a [u8] {
        unimplemented!()
    }
}

impl<K: Kind> Frag<K> {
    pub fn get(&self) -> Self {
        unimplemented!()
    }
}

impl From<SkbFrag> for Frag {
    fn from(_: SkbFrag) -> Self {
        unimplemented!()
    }
}
