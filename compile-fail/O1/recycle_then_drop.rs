//! forbids: O1
//! expect: E0382 "use of moved value: `memory`"
//! lifted by: nothing (a move)
//!
//! Direct recycling is a put as well.

use netmem::{Netmem, PagePool};

fn put(pool: &mut PagePool, memory: Netmem) {
    pool.recycle_direct(memory);
    drop(memory);
}

fn main() {}
