//! allowed: the other reference keeps the memory.

use netmem::Netmem;

fn put(memory: Netmem) -> bool {
    let aside = memory.borrow();
    drop(memory.get());
    aside.is_net_iov()
}

fn main() {}
