//! allowed: it returns net_iovs.

use netmem::page_pool::Refill;
use netmem::{NetIov, Netmem};

fn refill(out: &mut Refill<'_, NetIov>, memory: Netmem<netmem::NetIov>) {
    let _ = out.recycle(memory.into());
}

fn main() {}
