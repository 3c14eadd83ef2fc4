//! forbids: O1
//! expect: E0382 "use of moved value: `page`"
//! lifted by: nothing (a move)
//!
//! mm's references are values as well.

use netmem::{PageRef, mm};

fn put(page: PageRef) {
    mm::put_page(page);
    mm::put_page(page);
}

fn main() {}
