//! forbids: D1
//! expect: E0277 "memory of kind `netmem::NetIov` is never readable by the CPU (rule D1)"
//! lifted by: counterfactual
//!
//! A buffer is cleared before the device gets it.

use netmem::Netmem;
use netmem::page_pool::Readable;

fn clear<K: Readable>(mut memory: Netmem<K>) {
    let _ = memory.bytes_mut();
}

fn prepare(memory: Netmem<netmem::NetIov>) {
    clear(memory);
}

fn main() {}
