//! forbids: O2
//! expect: E0382 "use of moved value: `memory`"
//! lifted by: nothing (what has a Drop cannot be Copy)
//!
//! Two names for one reference.

use netmem::Netmem;

fn both(memory: Netmem) -> [Netmem; 2] {
    let second = memory;
    [memory, second]
}

fn main() {}
