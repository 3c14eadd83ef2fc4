//! forbids: S1
//! expect: E0308 "expected `NonNull<u8>`, found `Option<NonNull<u8>>`"
//! lifted by: nothing (an Option taken for its content)
//! history: 4672aec56d2e, row 36
//!
//! "netmem: fix skb_frag_address_safe with unreadable skbs"
//!
//! The address of a frag, without asking whether it has one: the page of an unreadable frag is NULL.

use netmem::mm::page_address;
use netmem::skb::SkbFrag;
use std::ptr::NonNull;

fn skb_frag_address_safe(frag: &SkbFrag) -> Option<usize> {
    let start: NonNull<u8> = frag.page().map(page_address);
    Some(start.addr().get() + frag.offset() as usize)
}

fn main() {}
