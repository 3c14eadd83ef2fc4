//! allowed: a known kind is forgotten for nothing.

use netmem::{NetIov, NetmemRef};

fn cast(memory: NetmemRef<'_, NetIov>) -> NetmemRef<'_, netmem::PageOrIov> {
    memory.into()
}

fn main() {}
