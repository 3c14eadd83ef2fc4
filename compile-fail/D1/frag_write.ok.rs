//! allowed: in host memory there is something to clear.

use netmem::Netmem;
use netmem::page_pool::Readable;

fn clear<K: Readable>(mut memory: Netmem<K>) {
    let _ = memory.bytes_mut();
}

fn prepare(memory: Netmem<netmem::Page>) {
    clear(memory);
}

fn main() {}
