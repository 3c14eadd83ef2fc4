//! forbids: C5
//! expect: E0308 "expected `&Page`, found `&NetIov`"
//! lifted by: counterfactual
//!
//! The line that got the nack in 2023: get_page() on a net_iov. mm would count in somebody else's memory.

use netmem::Page;
use netmem::mm::{self, PageRef};

fn hold(memory: &netmem::NetIov) -> PageRef {
    let get_page: fn(&Page) -> PageRef = mm::get_page;
    get_page(memory)
}

fn main() {}
