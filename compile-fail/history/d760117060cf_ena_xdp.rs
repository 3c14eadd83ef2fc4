//! forbids: D2
//! expect: E0599 "no method named `bytes` found for struct `Received<K>`"
//! lifted by: counterfactual
//! history: d760117060cf, row 47
//!
//! "net: ena: Fix DMA syncing in XDP path when SWIOTLB is on"
//!
//! The XDP program runs before the buffer is synced: behind a bounce buffer it decides on what the last packet left
//! there.

use netmem::Page;
use netmem::page_pool::{PagePool, Received};

fn run(pool: &PagePool<Page>, buffer: Received<Page>, program: impl Fn(&[u8]) -> bool) -> Option<bool> {
    Some(program(buffer.bytes()))
}

fn main() {}
