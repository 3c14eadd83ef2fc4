//! allowed: bytes do.

use netmem::{Frag, NetIov};

fn checksum(bytes: impl AsRef<[u8]>) -> usize {
    bytes.as_ref().len()
}

fn sum(frag: &[u8]) -> usize {
    checksum(frag)
}

fn main() {}
