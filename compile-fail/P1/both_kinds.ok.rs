//! allowed: one kind a provider.

use netmem::page_pool::MemoryKind;

fn provide<K: MemoryKind>() {}

fn start() {
    provide::<netmem::NetIov>();
}

fn main() {}
