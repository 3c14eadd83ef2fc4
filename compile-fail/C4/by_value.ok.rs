//! allowed: a reference may be copied.

use netmem::Page;

fn copy(page: &Page) {
    let copy = page;
    let _ = copy;
}

fn main() {}
