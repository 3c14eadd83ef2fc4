//! Rule S2: what the CPU cannot read is sent as if it could, or from memory that is bound the other way. Every impl here
//! is forbidden.

use crate::page_pool::DmabufTxBinding;
use crate::provider::DmabufProvider;
use crate::skb::{ReadableSkb, Skb};
use crate::alloc::Arc;

impl From<Skb> for ReadableSkb {
    fn from(_: Skb) -> Self {
        unimplemented!()
    }
}

impl From<Arc<DmabufProvider>> for DmabufTxBinding {
    fn from(_: Arc<DmabufProvider>) -> Self {
        unimplemented!()
    }
}
