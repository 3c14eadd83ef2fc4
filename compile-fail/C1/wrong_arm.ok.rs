//! allowed: a caller that needs a page has nothing to do for an iov.

use netmem::{Backing, NetmemRef, Page};

fn page_of(memory: NetmemRef<'_>) -> Option<&Page> {
    let page: &Page = match memory.backing() {
        Backing::Page(page) => page,
        Backing::NetIov(iov) => return None,
    };
    Some(page)
}

fn main() {}
