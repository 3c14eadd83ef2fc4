//! forbids: C4
//! expect: E0616 "field `0` of struct `DmaAddr` is private"
//! lifted by: nothing (privacy)
//!
//! An address is moved on by hand, out of its mapping.

use netmem::DmaAddr;

fn next(addr: &mut DmaAddr, next: DmaAddr) {
    addr.0 = next.as_raw() + 4096;
}

fn main() {}
