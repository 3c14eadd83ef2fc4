//! allowed: it is read after its sync.

use netmem::Page;
use netmem::page_pool::{PagePool, Received};

fn first(pool: &PagePool<Page>, buffer: Received<Page>) -> Option<u8> {
    let buffer = pool.sync_for_cpu(buffer).ok()?;
    buffer.bytes().first().copied()
}

fn main() {}
