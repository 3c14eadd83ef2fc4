//! forbids: C5
//! expect: E0277 "the trait bound `&netmem::Page: From<NetmemRef<'_, netmem::NetIov>>` is not satisfied"
//! lifted by: counterfactual
//!
//! A frame number for a handle on device memory. There is no frame.

use netmem::{NetIov, NetmemRef, mm};

fn trace(memory: NetmemRef<'_, NetIov>) -> usize {
    mm::page_to_pfn(memory.into())
}

fn main() {}
