//! forbids: D1
//! expect: E0308 "expected `NonNull<u8>`, found `Option<NonNull<u8>>`"
//! lifted by: nothing (an Option taken for its content)
//!
//! netmem_address() as if it never gave NULL.

use netmem::{NetmemRef, mm};
use std::ptr::NonNull;

fn address(memory: NetmemRef<'_>) {
    let address: NonNull<u8> = mm::netmem_address(memory);
    let _ = address;
}

fn main() {}
