//! allowed: mm counts pages.

use netmem::Page;
use netmem::mm::{self, PageRef};

fn hold(memory: &netmem::Page) -> PageRef {
    let get_page: fn(&Page) -> PageRef = mm::get_page;
    get_page(memory)
}

fn main() {}
