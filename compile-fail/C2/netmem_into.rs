//! forbids: C2
//! expect: E0277 "the trait bound `Netmem<netmem::Page>: From<Netmem<netmem::NetIov>>` is not satisfied"
//! lifted by: counterfactual
//!
//! An owned reference changes its kind on the way: what was put as a page came as an iov.

use netmem::{NetIov, Netmem};

fn cast(memory: Netmem<NetIov>) -> Netmem<netmem::Page> {
    memory.into()
}

fn main() {}
