//! forbids: O1
//! expect: E0382 "borrow of moved value: `memory`"
//! lifted by: nothing (a move)
//!
//! The handle is used after it was put. Somebody else may have the memory by now.

use netmem::Netmem;

fn put(memory: Netmem) -> usize {
    drop(memory);
    memory.pp_ref_count()
}

fn main() {}
