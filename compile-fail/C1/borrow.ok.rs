//! allowed: a table keyed by net_iov.

use netmem::NetIov;
use std::borrow::Borrow;

fn lookup<Q: Borrow<netmem::NetIov>>(key: &Q) {
    let _ = key.borrow();
}

fn call(iov: &NetIov) {
    lookup::<NetIov>(iov);
}

fn main() {}
