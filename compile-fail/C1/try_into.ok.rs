//! allowed: it may be asked for the view, and the answer is yes.

use netmem::NetIov;

fn ask(iov: &NetIov) -> Option<&netmem::NetmemDesc> {
    iov.try_into().ok()
}

fn main() {}
