//! allowed: as `&` anybody who holds it does.

use netmem::Page;

fn change(page: &Page) {
    let place: &Page = &*page;
    let _ = place;
}

fn main() {}
