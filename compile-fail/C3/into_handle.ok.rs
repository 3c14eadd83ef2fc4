//! allowed: a handle made of the whole.

use netmem::NetmemRef;

fn cast(memory: &netmem::Page) -> NetmemRef<'_> {
    memory.into()
}

fn main() {}
