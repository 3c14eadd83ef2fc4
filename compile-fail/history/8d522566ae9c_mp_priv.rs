//! forbids: P1
//! expect: E0308 "expected `&DmabufProvider`, found `&AnyProvider`"
//! lifted by: nothing (no cast from one type to another)
//! history: 8d522566ae9c, row 42
//!
//! "net: page_pool: don't cast mp param to devmem"
//!
//! The code that reports on every pool takes the provider's private data for a dma-buf binding, whichever provider it
//! is. (No crash is known: the fix came first.)

use netmem::PagePool;

fn fill(pool: &PagePool) -> String {
    let provider: &netmem::provider::DmabufProvider = pool.provider();
    format!("{provider:?}")
}

fn main() {}
