//! allowed: a slot that can be empty is an `Option`, of the same size.

use netmem::Netmem;

fn take<T: Default>(slot: &mut T) -> T {
    std::mem::take(slot)
}

fn empty(slot: &mut Option<Netmem>) {
    drop(take(slot));
}

fn main() {}
