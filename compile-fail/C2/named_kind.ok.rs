//! allowed: the kind that it has.

use netmem::{NetIov, NetmemRef};

fn wrap(iov: &NetIov) -> bool {
    NetmemRef::<netmem::NetIov>::from(iov).is_net_iov()
}

fn main() {}
