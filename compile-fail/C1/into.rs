//! forbids: C1
//! expect: E0277 "the trait bound `&netmem::Page: From<&netmem::NetIov>` is not satisfied"
//! lifted by: counterfactual
//!
//! The cast of the 2023 patch: a net_iov is taken for a page. It has no page, and mm would find garbage.

use netmem::NetIov;

fn cast(iov: &NetIov) -> &netmem::Page {
    iov.into()
}

fn main() {}
