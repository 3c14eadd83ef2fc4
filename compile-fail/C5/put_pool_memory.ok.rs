//! allowed: the pool's reference is put by dropping it.

use netmem::mm::{self, PageRef};
use netmem::{Netmem, Page};

fn put(memory: Netmem<Page>) {
    let put_page: fn(Netmem<Page>) = drop;
    put_page(memory)
}

fn main() {}
