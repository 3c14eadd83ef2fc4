//! forbids: P2
//! expect: E0308 "expected `Option<PagePool<Page>>`, found `Option<PagePool>`"
//! lifted by: nothing (by value nothing coerces)
//!
//! A pool of which nobody knows what it gives, for headers.

use netmem::PagePool;
use netmem::netdev::RxMemory;

fn queue(payload: PagePool, headers: Option<PagePool<netmem::PageOrIov>>) -> RxMemory {
    let queue: fn(PagePool, Option<PagePool<netmem::Page>>) -> RxMemory = RxMemory::new;
    queue(payload, headers)
}

fn main() {}
