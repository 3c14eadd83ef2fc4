//! forbids: P1
//! expect: E0277 "the trait bound `FreePage: From<FreeIov>` is not satisfied"
//! lifted by: counterfactual
//!
//! A provider of pages hands out a net_iov.

use netmem::Page;
use netmem::page_pool::Refill;

fn alloc(out: &mut Refill<'_, Page>, memory: netmem::FreeIov) -> bool {
    out.push(memory.into()).is_ok()
}

fn main() {}
