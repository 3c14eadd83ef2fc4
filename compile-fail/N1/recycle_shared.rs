//! forbids: N1
//! expect: E0596 "cannot borrow `*pool` as mutable, as it is behind a `&` reference"
//! lifted by: nothing (a borrow)
//!
//! Direct recycling from wherever one is: `allow_direct = true` outside NAPI. The cache has no lock.

use netmem::{Netmem, PagePool};

fn recycle(pool: &PagePool, memory: Netmem) {
    pool.recycle_direct(memory);
}

fn main() {}
