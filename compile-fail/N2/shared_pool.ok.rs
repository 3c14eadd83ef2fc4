//! allowed: it may live on the heap, with one owner.

use netmem::{Netmem, PagePool};

fn alloc(shared: &mut std::boxed::Box<PagePool>) -> Option<Netmem> {
    shared.alloc()
}

fn main() {}
