//! Rule D2: the device's buffer is read before its sync. Every impl here is forbidden.

use crate::page_pool::Received;
use crate::{Frag, Kind, Page};

impl<K: Kind> From<Received<K>> for Frag<K> {
    fn from(_: Received<K>) -> Self {
        unimplemented!()
    }
}

impl AsRef<[u8]> for Received<Page> {
    fn as_ref(&self) -> &[u8] {
        unimplemented!()
    }
}

impl Received<Page> {
    pub fn bytes(&self) -> &[u8] {
        unimplemented!()
    }
}
