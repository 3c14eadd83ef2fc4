//! forbids: C5
//! expect: E0277 "the trait bound `&netmem::Page: From<NetmemRef<'_>>` is not satisfied"
//! lifted by: counterfactual
//!
//! The node of memory that may be a net_iov, which is on none.

use netmem::{NetmemRef, mm};

fn local(memory: NetmemRef<'_>) -> bool {
    mm::page_to_nid(memory.into()) == 0
}

fn main() {}
