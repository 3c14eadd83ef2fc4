//! forbids: C5
//! expect: E0308 "expected `PageRef`, found `Frag`"
//! lifted by: nothing (by value nothing coerces)
//! history: c3198822c6cb, row 17
//!
//! "net: esp: fix bad handling of pages from page_pool"
//!
//! The frags that a cipher has replaced are put with put_page(), those of a page pool as well: mm's count drops, the
//! pool's does not.

use netmem::mm::{self, PageRef};
use netmem::skb::SkbFrag;

fn unref(frag: SkbFrag, own: PageRef) {
    let put_page: fn(PageRef) = mm::put_page;
    put_page(own);
    match frag {
        SkbFrag::Pool(frag) => put_page(frag),
        other => drop(other),
    }
}

fn main() {}
