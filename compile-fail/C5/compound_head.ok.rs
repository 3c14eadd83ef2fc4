//! allowed: pages may be compound.

use netmem::{Page, mm};

fn order(memory: &netmem::Page) -> u32 {
    let compound_order: fn(&Page) -> u32 = mm::compound_order;
    compound_order(memory)
}

fn main() {}
