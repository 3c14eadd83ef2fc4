//! forbids: C3
//! expect: E0277 "the trait bound `NetmemDesc: Borrow<netmem::Page>` is not satisfied"
//! lifted by: counterfactual
//!
//! A table keyed by page, looked up with the view.

use netmem::NetmemDesc;
use std::borrow::Borrow;

fn lookup<Q: Borrow<netmem::Page>>(key: &Q) {
    let _ = key.borrow();
}

fn call(desc: &NetmemDesc) {
    lookup::<NetmemDesc>(desc);
}

fn main() {}
