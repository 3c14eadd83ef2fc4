//! forbids: O4
//! expect: E0505 "cannot move out of `held` because it is borrowed"
//! lifted by: nothing (a borrow)
//!
//! The page is used after mm's last reference was put.

use netmem::{Page, PageRef, mm};

fn look(held: PageRef) -> usize {
    let page: &Page = &held;
    mm::put_page(held);
    mm::page_to_pfn(page)
}

fn main() {}
