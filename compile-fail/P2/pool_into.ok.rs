//! allowed: a pool is what it is.

use netmem::{NetIov, PagePool};

fn cast(pool: PagePool<NetIov>) -> PagePool<netmem::NetIov> {
    pool.into()
}

fn main() {}
