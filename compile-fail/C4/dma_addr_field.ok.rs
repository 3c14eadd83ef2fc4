//! allowed: one address may replace another.

use netmem::DmaAddr;

fn next(addr: &mut DmaAddr, next: DmaAddr) {
    *addr = next;
}

fn main() {}
