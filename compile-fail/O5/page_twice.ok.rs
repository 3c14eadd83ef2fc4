//! allowed: what the pool does not take comes back, and may be offered again.

use netmem::page_pool::Refill;
use netmem::{FreePage, Page};

fn alloc(out: &mut Refill<'_, Page>, page: FreePage) {
    let Err(page) = out.push(page) else { return };
    let _ = out.push(page);
}

fn main() {}
