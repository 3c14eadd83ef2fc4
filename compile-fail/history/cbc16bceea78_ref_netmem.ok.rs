//! allowed: the count is in the descriptor, and every handle leads to it.

use netmem::NetmemRef;

fn page_pool_ref_netmem(memory: NetmemRef<'_>) -> usize {
    let desc = memory.desc();
    desc.pp_ref_count() + 1
}

fn main() {}
