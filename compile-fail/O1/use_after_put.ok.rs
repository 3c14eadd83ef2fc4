//! allowed: with a second reference, dropping the first is fine.

use netmem::Netmem;

fn put(memory: Netmem) -> usize {
    drop(memory.get());
    memory.pp_ref_count()
}

fn main() {}
