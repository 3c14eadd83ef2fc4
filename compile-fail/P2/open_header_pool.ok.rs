//! allowed: a pool of pages.

use netmem::PagePool;
use netmem::netdev::RxMemory;

fn queue(payload: PagePool, headers: Option<PagePool<netmem::Page>>) -> RxMemory {
    let queue: fn(PagePool, Option<PagePool<netmem::Page>>) -> RxMemory = RxMemory::new;
    queue(payload, headers)
}

fn main() {}
