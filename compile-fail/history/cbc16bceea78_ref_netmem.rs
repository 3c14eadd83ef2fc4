//! forbids: C2
//! expect: E0599 "no method named `page` found for struct `NetmemRef<'_>`"
//! lifted by: counterfactual
//! history: cbc16bceea78, row 37
//!
//! "net: make page_pool_ref_netmem work with net iovs"
//!
//! The helper that takes a reference casts to a page to find the count. That of a net_iov is in the same place of the
//! part that both share, so ask that part.

use netmem::NetmemRef;

fn page_pool_ref_netmem(memory: NetmemRef<'_>) -> usize {
    let desc = memory.page().desc();
    desc.pp_ref_count() + 1
}

fn main() {}
