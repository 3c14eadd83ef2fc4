//! allowed: a reference is taken by name.

use netmem::{Netmem, Page};

fn second(memory: Netmem<Page>) -> [Netmem<Page>; 2] {
    let second = memory.get();
    [memory, second]
}

fn main() {}
