//! allowed: whoever owns it alone may read.

use netmem::mm;

fn read(page: mm::FreePage) -> u8 {
    page.bytes()[0]
}

fn main() {}
