//! allowed: it may stop saying what it is; it still goes back to its own pool.

use netmem::{NetIov, Netmem};

fn cast(memory: Netmem<NetIov>) -> Netmem<netmem::PageOrIov> {
    memory.into()
}

fn main() {}
