//! allowed: one more was taken.

use netmem::{PageRef, mm};

fn put(page: PageRef) {
    mm::put_page(mm::get_page(&page));
    mm::put_page(page);
}

fn main() {}
