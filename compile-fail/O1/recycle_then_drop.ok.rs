//! allowed: two puts for two references.

use netmem::{Netmem, PagePool};

fn put(pool: &mut PagePool, memory: Netmem) {
    pool.recycle_direct(memory.get());
    drop(memory);
}

fn main() {}
