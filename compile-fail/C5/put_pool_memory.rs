//! forbids: C5
//! expect: E0308 "expected `PageRef`, found `Netmem<Page>`"
//! lifted by: nothing (by value nothing coerces)
//!
//! put_page() on memory of a pool: the page leaves while it is mapped, and the pool waits for it forever.

use netmem::mm::{self, PageRef};
use netmem::{Netmem, Page};

fn put(memory: Netmem<Page>) {
    let put_page: fn(PageRef) = mm::put_page;
    put_page(memory)
}

fn main() {}
