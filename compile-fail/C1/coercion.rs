//! forbids: C1
//! expect: E0308 "expected `&Page`, found `&NetIov`"
//! lifted by: counterfactual
//!
//! No cast is written at all, in the hope that the one struct begins like the other.

use netmem::NetIov;

fn keep(iov: &NetIov) {
    let memory: &netmem::Page = iov;
    let _ = memory;
}

fn main() {}
