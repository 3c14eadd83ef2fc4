//! forbids: Rust
//! expect: E0308 "expected `PagePool<Page>`, found `Result<PagePool<Page>, PoolError>`"
//! lifted by: nothing (a Result taken for its content)
//! history: 3fd0da4fd885, row 53
//!
//! "net: lan966x: fix page_pool error handling… / net: fec: handle page_pool_dev_alloc_pages error"
//!
//! The pool could not be made, and the error pointer is used as if it were one.

use netmem::page_pool::PoolError;
use netmem::provider::PageProvider;
use netmem::{Frag, Page, PagePool};
use std::sync::Arc;

fn start(provider: Arc<PageProvider>) -> Result<Option<Frag<Page>>, PoolError> {
    let mut pool: PagePool<Page> = PagePool::<Page>::new(Default::default(), provider);
    Ok(pool.alloc_frag(2048))
}

fn main() {}
