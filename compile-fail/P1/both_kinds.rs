//! forbids: P1
//! expect: E0277 "a memory provider provides `Page` or `NetIov`, not `PageOrIov` (rule P1)"
//! lifted by: counterfactual
//!
//! A provider that gives now this, now that. A pool could not tell whether its memory is to be mapped.

use netmem::page_pool::MemoryKind;

fn provide<K: MemoryKind>() {}

fn start() {
    provide::<netmem::PageOrIov>();
}

fn main() {}
