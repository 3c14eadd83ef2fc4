//! allowed: two names for two.

use netmem::Netmem;

fn both(memory: Netmem) -> [Netmem; 2] {
    let second = memory.get();
    [memory, second]
}

fn main() {}
