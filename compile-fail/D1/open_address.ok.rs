//! allowed: with the check.

use netmem::{NetmemRef, mm};
use std::ptr::NonNull;

fn address(memory: NetmemRef<'_>) {
    let address: Option<NonNull<u8>> = mm::netmem_address(memory);
    let _ = address;
}

fn main() {}
