//! forbids: C1
//! expect: E0277 "the trait bound `netmem::NetIov: Borrow<netmem::Page>` is not satisfied"
//! lifted by: counterfactual
//!
//! A table keyed by page, looked up with a net_iov.

use netmem::NetIov;
use std::borrow::Borrow;

fn lookup<Q: Borrow<netmem::Page>>(key: &Q) {
    let _ = key.borrow();
}

fn call(iov: &NetIov) {
    lookup::<NetIov>(iov);
}

fn main() {}
