//! allowed: a socket that no program has pieces of.

use netmem_consumers::devmem::{DevmemUser, Sock};

fn swap(one: &mut DevmemUser, other: &mut Sock) {
    let exchange: fn(&mut Sock, &mut Sock) = std::mem::swap;
    exchange(&mut Sock::new(), other)
}

fn main() {}
