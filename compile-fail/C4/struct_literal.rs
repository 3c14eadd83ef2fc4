//! forbids: C4
//! expect: E0451 "fields `raw` and `_borrows` of struct `NetmemRef` are private"
//! lifted by: nothing (privacy)
//!
//! A handle put together from the parts of another, by struct update.

use netmem::NetmemRef;

fn copy(memory: NetmemRef<'_>) -> NetmemRef<'_> {
    NetmemRef { ..memory }
}

fn main() {}
