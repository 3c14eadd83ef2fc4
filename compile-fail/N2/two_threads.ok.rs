//! allowed: the other may drop what the one allocated.

use netmem::{Netmem, PagePool};

fn on_two_threads(_: impl FnOnce() -> Option<Netmem> + Send, _: impl FnOnce() -> Option<Netmem> + Send) {}

fn race(pool: &mut PagePool) {
    let before = pool.alloc();
    on_two_threads(|| pool.alloc(), || before);
}

fn main() {}
