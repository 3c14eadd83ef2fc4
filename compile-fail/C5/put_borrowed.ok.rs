//! allowed: what was taken is put.

use netmem::Page;
use netmem::mm::{self, PageRef};

fn put(page: &Page) {
    let put_page: fn(PageRef) = mm::put_page;
    put_page(mm::get_page(page));
}

fn main() {}
