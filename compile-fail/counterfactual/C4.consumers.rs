//! Rule C4: what a program writes becomes a handle. Every impl here is forbidden.

use crate::devmem::DmabufToken;
use crate::zcrx::ZcrxRqe;
use netmem::{Frag, NetIov, Netmem};

impl From<DmabufToken> for Frag {
    fn from(_: DmabufToken) -> Self {
        unimplemented!()
    }
}

impl From<ZcrxRqe> for Netmem<NetIov> {
    fn from(_: ZcrxRqe) -> Self {
        unimplemented!()
    }
}
