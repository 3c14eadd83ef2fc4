//! forbids: S1
//! expect: E0308 "expected `&[u8]`, found `Option<&[u8]>`"
//! lifted by: nothing (an Option taken for its content)
//!
//! The bytes of an skb's frag, without asking whether there are any. Every protocol that did this had to be found by hand.

use netmem::skb::SkbFrag;

fn first(frag: &SkbFrag) -> Option<u8> {
    let bytes: &[u8] = frag.bytes();
    bytes.first().copied()
}

fn main() {}
