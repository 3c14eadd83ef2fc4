//! allowed: a page has an address, even if nobody may read there without `unsafe`.

use netmem::{NetmemRef, mm};

fn address(memory: NetmemRef<'_, netmem::Page>) -> usize {
    mm::page_address(memory.page()).addr().get()
}

fn main() {}
