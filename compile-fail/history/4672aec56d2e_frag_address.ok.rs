//! allowed: the question is asked.

use netmem::mm::page_address;
use netmem::skb::SkbFrag;
use std::ptr::NonNull;

fn skb_frag_address_safe(frag: &SkbFrag) -> Option<usize> {
    let start: NonNull<u8> = frag.page().map(page_address)?;
    Some(start.addr().get() + frag.offset() as usize)
}

fn main() {}
