//! allowed: it hands out pages.

use netmem::Page;
use netmem::page_pool::Refill;

fn alloc(out: &mut Refill<'_, Page>, memory: netmem::FreePage) -> bool {
    out.push(memory.into()).is_ok()
}

fn main() {}
