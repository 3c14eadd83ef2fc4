//! allowed: a net_iov leads to its area, its descriptor and its index, and to no page.

use netmem::NetIov;

fn look(iov: &NetIov) {
    let _ = iov.desc();
}

fn main() {}
