//! forbids: Rust
//! expect: E0381 "partially assigned binding `params` isn't fully initialized"
//! lifted by: nothing (a variable without a value)
//! history: c63003e3d997, row 54
//!
//! "net: cpsw: Properly initialise struct page_pool_params"
//!
//! The parameters of the pool lie on the stack, some fields are set, and the others are what was there before.

use netmem::page_pool::{PagePoolParams, PoolError};
use netmem::provider::PageProvider;
use netmem::{Page, PagePool};
use std::sync::Arc;

fn create(provider: Arc<PageProvider>) -> Result<PagePool<Page>, PoolError> {
    let mut params: PagePoolParams;
    params.order = 0;
    params.pool_size = 256;
    PagePool::<Page>::new(params, provider)
}

fn main() {}
