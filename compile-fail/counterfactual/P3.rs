//! Rule P3: a driver that does not declare unreadable memory is bound to it. Every impl here is forbidden.

use crate::Page;
use crate::netdev::{RxQueueConfig, UnreadableRx};
use crate::page_pool::{AnyProvider, PoolKind};

impl UnreadableRx for Page {
    fn any(_: AnyProvider) -> <Page as PoolKind>::Provider {
        unimplemented!()
    }
}

impl<'a> From<&'a RxQueueConfig> for &'a RxQueueConfig<Page> {
    fn from(_: &'a RxQueueConfig) -> Self {
        unimplemented!()
    }
}
