//! forbids: O5
//! expect: E0382 "use of moved value: `page`"
//! lifted by: nothing (a move)
//!
//! A provider hands the same page out twice.

use netmem::page_pool::Refill;
use netmem::{FreePage, Page};

fn alloc(out: &mut Refill<'_, Page>, page: FreePage) {
    let _ = out.push(page);
    let _ = out.push(page);
}

fn main() {}
