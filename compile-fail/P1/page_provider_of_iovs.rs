//! forbids: P1
//! expect: E0271 "type mismatch resolving `<Kernel as MemoryProvider>::Kind == NetIov`"
//! lifted by: nothing (an associated type has one value)
//!
//! A pool that promises device memory is given the page allocator. Its users would hand out offsets that mean nothing.

use netmem::page_pool::{AnyProvider, MemoryProvider, PagePoolParams, Refill, ProviderError};
use netmem::{FreePage, Page};
use std::sync::Arc;

struct Kernel;

impl MemoryProvider for Kernel {
    type Kind = Page;
    fn init(&self, _: &PagePoolParams) -> Result<u32, ProviderError> {
        Ok(4096)
    }
    fn alloc(&self, _: &mut Refill<'_, Page>) {}
    fn release(&self, _: FreePage) {}
}

fn provider(kernel: Arc<Kernel>) -> AnyProvider {
    let provider: Arc<dyn MemoryProvider<Kind = netmem::NetIov>> = kernel;
    provider.into()
}

fn main() {}
