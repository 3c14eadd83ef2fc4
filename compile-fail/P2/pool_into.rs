//! forbids: P2
//! expect: E0277 "the trait bound `PagePool<netmem::Page>: From<PagePool<netmem::NetIov>>` is not satisfied"
//! lifted by: counterfactual
//!
//! A pool of device memory is declared to be one of pages.

use netmem::{NetIov, PagePool};

fn cast(pool: PagePool<NetIov>) -> PagePool<netmem::Page> {
    pool.into()
}

fn main() {}
