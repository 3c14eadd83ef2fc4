//! allowed: what a page and a net_iov share is `NetmemDesc`, and both become it for nothing.

use netmem::NetIov;

fn cast(iov: &NetIov) -> &netmem::NetmemDesc {
    iov.into()
}

fn main() {}
