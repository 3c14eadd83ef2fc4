//! forbids: C4
//! expect: E0277 "the trait bound `Netmem: Default` is not satisfied"
//! lifted by: counterfactual
//!
//! A handle is taken out of a slot, and a blank one left behind. There is no blank handle: a handle is a reference to something.

use netmem::Netmem;

fn take<T: Default>(slot: &mut T) -> T {
    std::mem::take(slot)
}

fn empty(slot: &mut Netmem) {
    drop(take(slot));
}

fn main() {}
