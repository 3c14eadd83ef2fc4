//! allowed: a frag has its range for itself.

use netmem::Page;

fn read(memory: netmem::Frag<Page>) -> usize {
    memory.bytes().len()
}

fn main() {}
