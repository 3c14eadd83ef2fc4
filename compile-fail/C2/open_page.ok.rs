//! allowed: the check, and what comes of it.

use netmem::NetmemRef;

fn look(memory: NetmemRef<'_>) {
    let _ = memory.backing().page();
}

fn main() {}
