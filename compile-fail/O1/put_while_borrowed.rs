//! forbids: O1
//! expect: E0505 "cannot move out of `memory` because it is borrowed"
//! lifted by: nothing (a borrow)
//!
//! The handle is put while a borrowed one is still in use: a netmem_ref kept on the side.

use netmem::Netmem;

fn put(memory: Netmem) -> bool {
    let aside = memory.borrow();
    drop(memory);
    aside.is_net_iov()
}

fn main() {}
