//! forbids: N2
//! expect: E0596 "cannot borrow data in an `Arc` as mutable"
//! lifted by: nothing (a borrow)
//!
//! A pool shared between threads, as a driver's private struct is.

use netmem::{Netmem, PagePool};

fn alloc(shared: &mut std::sync::Arc<PagePool>) -> Option<Netmem> {
    shared.alloc()
}

fn main() {}
