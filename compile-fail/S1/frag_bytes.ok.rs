//! allowed: with the question.

use netmem::skb::SkbFrag;

fn first(frag: &SkbFrag) -> Option<u8> {
    let bytes: &[u8] = frag.bytes()?;
    bytes.first().copied()
}

fn main() {}
