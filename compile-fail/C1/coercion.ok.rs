//! allowed: a reference to a net_iov is that, and stays that.

use netmem::NetIov;

fn keep(iov: &NetIov) {
    let memory: &netmem::NetIov = iov;
    let _ = memory;
}

fn main() {}
