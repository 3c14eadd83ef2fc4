//! forbids: C5
//! expect: E0308 "expected `PageRef`, found `&Page`"
//! lifted by: nothing (by value nothing coerces)
//!
//! put_page() on a page that was only looked at: the reference belongs to somebody else, who will put it too.

use netmem::Page;
use netmem::mm::{self, PageRef};

fn put(page: &Page) {
    let put_page: fn(PageRef) = mm::put_page;
    put_page(page);
}

fn main() {}
