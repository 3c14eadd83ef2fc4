//! forbids: C4
//! expect: E0596 "cannot borrow `*page` as mutable, as it is behind a `&` reference"
//! lifted by: nothing (a borrow)
//!
//! `*page = other;` or a swap of two: a page has its place in the memory map, and nobody gets it as `&mut`.

use netmem::Page;

fn change(page: &Page) {
    let place: &mut Page = &mut *page;
    let _ = place;
}

fn main() {}
