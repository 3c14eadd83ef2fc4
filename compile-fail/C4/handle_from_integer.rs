//! forbids: C4
//! expect: E0277 "the trait bound `NetmemRef<'_>: From<usize>` is not satisfied"
//! lifted by: counterfactual
//!
//! `(netmem_ref)0x1000`: in C a handle is an unsigned long, and any number will do.

use netmem::NetmemRef;

fn make<'a>(from: usize) -> NetmemRef<'a> {
    from.into()
}

fn main() {}
