//! forbids: C1
//! expect: E0308 "expected `&Page`, found `&NetIov`"
//! lifted by: counterfactual
//!
//! The tag has been asked and says net_iov. There is no arm in which an iov comes out as a page.

use netmem::{Backing, NetmemRef, Page};

fn page_of(memory: NetmemRef<'_>) -> Option<&Page> {
    let page: &Page = match memory.backing() {
        Backing::Page(page) => page,
        Backing::NetIov(iov) => iov,
    };
    Some(page)
}

fn main() {}
