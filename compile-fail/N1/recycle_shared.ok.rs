//! allowed: with the consumer side in hand.

use netmem::{Netmem, PagePool};

fn recycle(pool: &mut PagePool, memory: Netmem) {
    pool.recycle_direct(memory);
}

fn main() {}
