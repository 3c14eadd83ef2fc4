//! allowed: this is that view.

use netmem::NetIov;

fn show(iov: &NetIov) {
    let memory: &netmem::NetmemDesc = iov.as_ref();
    let _ = memory;
}

fn main() {}
