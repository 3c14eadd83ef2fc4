//! forbids: C2
//! expect: E0599 "no method named `page` found for struct `NetmemRef<'_>`"
//! lifted by: counterfactual
//!
//! netmem_to_page() as in C, where it warns at run time if the memory is a net_iov. Here the check cannot be forgotten.

use netmem::NetmemRef;

fn look(memory: NetmemRef<'_>) {
    let _ = memory.page();
}

fn main() {}
