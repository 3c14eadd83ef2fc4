//! allowed: words may be compared.

use netmem::{NetIov, NetmemRef, Page};

fn same(page: NetmemRef<'_, Page>, iov: NetmemRef<'_, NetIov>) -> bool {
    let word = iov.into_raw();
    page.into_raw() == word
}

fn main() {}
