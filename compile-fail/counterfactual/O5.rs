//! Rule O5: free memory is there twice, or comes from nowhere. Every impl here is forbidden.

use crate::FreeIov;
use crate::dma::DmaMapping;
use crate::page_pool::BindingId;

impl Clone for FreeIov {
    fn clone(&self) -> Self {
        unimplemented!()
    }
}

impl Clone for DmaMapping {
    fn clone(&self) -> Self {
        unimplemented!()
    }
}

impl From<u64> for DmaMapping {
    fn from(_: u64) -> Self {
        unimplemented!()
    }
}

impl Clone for BindingId {
    fn clone(&self) -> Self {
        unimplemented!()
    }
}
