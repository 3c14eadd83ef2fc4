//! allowed: a table keyed by the view.

use netmem::NetmemDesc;
use std::borrow::Borrow;

fn lookup<Q: Borrow<netmem::NetmemDesc>>(key: &Q) {
    let _ = key.borrow();
}

fn call(desc: &NetmemDesc) {
    lookup::<NetmemDesc>(desc);
}

fn main() {}
