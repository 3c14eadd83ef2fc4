//! forbids: C5
//! expect: E0308 "expected `&Page`, found `&NetIov`"
//! lifted by: counterfactual
//!
//! The head of a compound net_iov. There are none; the bit that says so in a page is the pool's in a net_iov.

use netmem::{Page, mm};

fn order(memory: &netmem::NetIov) -> u32 {
    let compound_order: fn(&Page) -> u32 = mm::compound_order;
    compound_order(memory)
}

fn main() {}
