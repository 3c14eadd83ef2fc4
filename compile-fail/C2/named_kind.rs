//! forbids: C2
//! expect: E0277 "the trait bound `NetmemRef<'_, netmem::Page>: From<&netmem::NetIov>` is not satisfied"
//! lifted by: counterfactual
//!
//! The cast of the thread, from a net_iov, with the wrong kind named.

use netmem::{NetIov, NetmemRef};

fn wrap(iov: &NetIov) -> bool {
    NetmemRef::<netmem::Page>::from(iov).is_net_iov()
}

fn main() {}
