//! forbids: N2
//! expect: E0524 "two closures require unique access to `*pool` at the same time"
//! lifted by: nothing (a borrow)
//!
//! Two threads allocate from one pool.

use netmem::{Netmem, PagePool};

fn on_two_threads(_: impl FnOnce() -> Option<Netmem> + Send, _: impl FnOnce() -> Option<Netmem> + Send) {}

fn race(pool: &mut PagePool) {
    let before = pool.alloc();
    on_two_threads(|| pool.alloc(), || pool.alloc().or(before));
}

fn main() {}
