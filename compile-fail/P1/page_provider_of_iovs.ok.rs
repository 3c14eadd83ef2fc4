//! allowed: what gives pages is a provider of pages.

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
    let provider: Arc<dyn MemoryProvider<Kind = netmem::Page>> = kernel;
    provider.into()
}

fn main() {}
