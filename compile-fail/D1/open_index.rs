//! forbids: D1
//! expect: E0608 "cannot index into a value of type `Option<&[u8]>`"
//! lifted by: nothing (an indexed Option)
//!
//! The memory may be either, and the check is forgotten.

use netmem::Frag;

fn first(frag: &Frag) -> Option<u8> {
    frag.bytes()[0].into()
}

fn main() {}
