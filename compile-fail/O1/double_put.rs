//! forbids: O1
//! expect: E0382 "use of moved value: `memory`"
//! lifted by: nothing (a move)
//!
//! page_pool_put_full_netmem() twice on an error path.

use netmem::Netmem;

fn put(memory: Netmem) {
    drop(memory);
    drop(memory);
}

fn main() {}
