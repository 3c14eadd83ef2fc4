//! forbids: C2
//! expect: E0277 "the trait bound `NetmemRef<'_, netmem::Page>: From<NetmemRef<'_, netmem::NetIov>>` is not satisfied"
//! lifted by: counterfactual
//!
//! A handle known to be a net_iov is declared to be a page: the unchecked __netmem_to_page().

use netmem::{NetIov, NetmemRef};

fn cast(memory: NetmemRef<'_, NetIov>) -> NetmemRef<'_, netmem::Page> {
    memory.into()
}

fn main() {}
