//! forbids: S4
//! expect: E0308 "mismatched types"
//! lifted by: nothing (a borrow)
//!
//! The sockets of two programs are swapped. Each would get the tokens of the other's pieces, and return other memory.

use netmem_consumers::devmem::{DevmemUser, Sock};

fn swap(one: &mut DevmemUser, other: &mut Sock) {
    let exchange: fn(&mut Sock, &mut Sock) = std::mem::swap;
    exchange(one.sock(), other)
}

fn main() {}
