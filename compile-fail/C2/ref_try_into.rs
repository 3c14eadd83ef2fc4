//! forbids: C2
//! expect: E0277 "the trait bound `NetmemRef<'_, netmem::Page>: TryFrom<NetmemRef<'_, netmem::NetIov>>` is not satisfied"
//! lifted by: counterfactual
//!
//! The kind is known, so a check has nothing to check.

use netmem::{NetmemRef, Page};

fn ask(memory: NetmemRef<'_, netmem::NetIov>) -> Option<NetmemRef<'_, Page>> {
    memory.try_into().ok()
}

fn main() {}
