//! forbids: D2
//! expect: E0599 "no method named `bytes` found for struct `Received<K>`"
//! lifted by: counterfactual
//!
//! The buffer is read although its sync was refused: on a machine that is not coherent, yesterday's packet.

use netmem::Page;
use netmem::page_pool::{PagePool, Received};

fn first(pool: &PagePool<Page>, buffer: Received<Page>) -> Option<u8> {
    let buffer = pool.sync_for_cpu(buffer).err()?.back;
    buffer.bytes().first().copied()
}

fn main() {}
