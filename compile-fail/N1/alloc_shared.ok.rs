//! allowed: with the consumer side in hand.

use netmem::{Netmem, PagePool};

fn alloc(pool: &mut PagePool) -> Option<Netmem> {
    pool.alloc()
}

fn main() {}
