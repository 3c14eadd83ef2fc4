//! allowed: what is not set has its default.

use netmem::page_pool::{PagePoolParams, PoolError};
use netmem::provider::PageProvider;
use netmem::{Page, PagePool};
use std::sync::Arc;

fn create(provider: Arc<PageProvider>) -> Result<PagePool<Page>, PoolError> {
    let mut params = PagePoolParams::default();
    params.order = 0;
    params.pool_size = 256;
    PagePool::<Page>::new(params, provider)
}

fn main() {}
