//! allowed: words may be compared.

use netmem::{NetIov, NetmemRef, Page};

fn same(page: NetmemRef<'_, Page>, iov: NetmemRef<'_, NetIov>) -> bool {
    let word = iov.as_raw();
    page.as_raw() == word
}

fn main() {}
