//! allowed: the payload may.

use netmem::page_pool::{MemoryProvider, PagePool, PagePoolParams, PoolError, Refill, ProviderError};
use netmem::{FreeIov, NetIov};
use std::sync::Arc;

struct Vram;

impl MemoryProvider for Vram {
    type Kind = NetIov;
    fn init(&self, _: &PagePoolParams) -> Result<u32, ProviderError> {
        Ok(4096)
    }
    fn alloc(&self, _: &mut Refill<'_, NetIov>) {}
    fn release(&self, _: FreeIov) {}
}

fn pool(provider: Arc<Vram>) -> Result<PagePool, PoolError> {
    let provider: Arc<dyn MemoryProvider<Kind = netmem::NetIov>> = provider;
    PagePool::new(PagePoolParams::default(), provider.into())
}

fn main() {}
