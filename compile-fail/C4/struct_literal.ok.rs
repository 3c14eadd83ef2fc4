//! allowed: a handle is `Copy`.

use netmem::NetmemRef;

fn copy(memory: NetmemRef<'_>) -> NetmemRef<'_> {
    memory
}

fn main() {}
