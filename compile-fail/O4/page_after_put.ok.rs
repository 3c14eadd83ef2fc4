//! allowed: hold one while you look.

use netmem::{Page, PageRef, mm};

fn look(held: PageRef) -> usize {
    let page: &Page = &held;
    mm::put_page(mm::get_page(page));
    mm::page_to_pfn(page)
}

fn main() {}
