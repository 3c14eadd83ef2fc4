//! allowed: the error is passed on.

use netmem::page_pool::PoolError;
use netmem::provider::PageProvider;
use netmem::{Frag, Page, PagePool};
use std::sync::Arc;

fn start(provider: Arc<PageProvider>) -> Result<Option<Frag<Page>>, PoolError> {
    let mut pool: PagePool<Page> = PagePool::<Page>::new(Default::default(), provider)?;
    Ok(pool.alloc_frag(2048))
}

fn main() {}
