//! allowed: it is raised by get_page().

use netmem::PageRef;

fn second(page: PageRef) -> [PageRef; 2] {
    let second = netmem::mm::get_page(&page);
    [page, second]
}

fn main() {}
