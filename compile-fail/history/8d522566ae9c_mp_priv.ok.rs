//! allowed: a provider is asked, and says what it is itself.

use netmem::PagePool;

fn fill(pool: &PagePool) -> String {
    let provider: &netmem::page_pool::AnyProvider = pool.provider();
    format!("{provider:?}")
}

fn main() {}
