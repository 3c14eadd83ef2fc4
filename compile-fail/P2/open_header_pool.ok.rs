//! allowed: a pool of pages.

use netmem::PagePool;
use netmem::netdev::RxMemory;

fn queue(payload: PagePool, headers: Option<PagePool<netmem::Page>>) -> RxMemory {
    RxMemory { payload, headers }
}

fn main() {}
