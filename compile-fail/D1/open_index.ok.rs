//! allowed: with the check.

use netmem::Frag;

fn first(frag: &Frag) -> Option<u8> {
    frag.bytes()?.first().copied()
}

fn main() {}
