//! forbids: O1
//! expect: E0382 "borrow of moved value: `memory`"
//! lifted by: nothing (a move)
//!
//! A future that will put the handle has it from the moment it is made, not from when it runs.

use netmem::Netmem;

fn put_later(memory: Netmem) -> impl Future<Output = ()> {
    let later = async move { drop(memory) };
    assert!(memory.pp_ref_count() > 0);
    later
}

fn main() {}
