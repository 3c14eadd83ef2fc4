//! allowed: bytes do.

use netmem::Page;
use netmem::page_pool::Received;

fn parse(bytes: impl AsRef<[u8]>) -> usize {
    bytes.as_ref().len()
}

fn receive(buffer: &[u8]) -> usize {
    parse(buffer)
}

fn main() {}
