//! forbids: C3
//! expect: E0277 "the trait bound `NetmemRef<'_>: From<&NetmemDesc>` is not satisfied"
//! lifted by: counterfactual
//!
//! A handle made of the view. Whether to set the tag is what the view does not know.

use netmem::NetmemRef;

fn cast(memory: &netmem::NetmemDesc) -> NetmemRef<'_> {
    memory.into()
}

fn main() {}
