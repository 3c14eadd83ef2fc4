//! Rule D1: memory behind a net_iov is read and written. Every impl here is forbidden.

use crate::page_pool::Readable;
use crate::{Frag, NetIov};

impl Readable for NetIov {
    type Bytes<'a> = &'a [u8];
    type BytesMut<'a> = &'a mut [u8];

    fn wrap(_: Option<&[u8]>) -> &[u8] {
        unimplemented!()
    }

    fn wrap_mut(_: Option<&mut [u8]>) -> &mut [u8] {
        unimplemented!()
    }
}

impl AsRef<[u8]> for Frag<NetIov> {
    fn as_ref(&self) -> &[u8] {
        unimplemented!()
    }
}

impl From<crate::Frag<NetIov>> for crate::netdev::XdpBuff {
    fn from(_: crate::Frag<NetIov>) -> Self {
        unimplemented!()
    }
}
