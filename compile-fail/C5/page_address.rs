//! forbids: C5
//! expect: E0599 "no method named `page` found for struct `NetmemRef<'_, netmem::NetIov>`"
//! lifted by: counterfactual
//!
//! page_address() of device memory. The CPU has no mapping of it.

use netmem::{NetmemRef, mm};

fn address(memory: NetmemRef<'_, netmem::NetIov>) -> usize {
    mm::page_address(memory.page()).addr().get()
}

fn main() {}
