//! allowed: for traces there is a number that is 0 for a net_iov.

use netmem::{NetIov, NetmemRef, mm};

fn trace(memory: NetmemRef<'_, NetIov>) -> usize {
    mm::netmem_pfn_trace(memory.into())
}

fn main() {}
