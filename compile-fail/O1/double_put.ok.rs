//! allowed: two puts for two references.

use netmem::Netmem;

fn put(memory: Netmem) {
    drop(memory.get());
    drop(memory);
}

fn main() {}
