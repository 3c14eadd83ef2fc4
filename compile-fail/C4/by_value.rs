//! forbids: C4
//! expect: E0507 "cannot move out of `*page` which is behind a shared reference"
//! lifted by: nothing (a move)
//!
//! `struct page copy = *page;` A copy of a page is no page.

use netmem::Page;

fn copy(page: &Page) {
    let copy = *page;
    let _ = copy;
}

fn main() {}
