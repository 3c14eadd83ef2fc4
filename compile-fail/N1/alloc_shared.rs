//! forbids: N1
//! expect: E0596 "cannot borrow `*pool` as mutable, as it is behind a `&` reference"
//! lifted by: nothing (a borrow)
//!
//! Allocation takes from the same cache.

use netmem::{Netmem, PagePool};

fn alloc(pool: &PagePool) -> Option<Netmem> {
    pool.alloc()
}

fn main() {}
