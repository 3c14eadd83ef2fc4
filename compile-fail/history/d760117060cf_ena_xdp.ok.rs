//! allowed: synced, then read.

use netmem::Page;
use netmem::page_pool::{PagePool, Received};

fn run(pool: &PagePool<Page>, buffer: Received<Page>, program: impl Fn(&[u8]) -> bool) -> Option<bool> {
    Some(program(pool.sync_for_cpu(buffer).ok()?.bytes()))
}

fn main() {}
