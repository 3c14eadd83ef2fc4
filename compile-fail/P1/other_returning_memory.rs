//! forbids: P1
//! expect: E0277 "the trait bound `Netmem<netmem::NetIov>: From<Netmem<netmem::Page>>` is not satisfied"
//! lifted by: counterfactual
//!
//! A provider of net_iovs returns a page through its refill ring.

use netmem::page_pool::Refill;
use netmem::{NetIov, Netmem};

fn refill(out: &mut Refill<'_, NetIov>, memory: Netmem<netmem::Page>) {
    let _ = out.recycle(memory.into());
}

fn main() {}
