//! allowed: `try_into` has, and hands back the net_iov.

use netmem::{NetmemRef, Page};

fn cast(memory: NetmemRef<'_>) {
    let _ = <NetmemRef<'_, Page>>::try_from(memory);
}

fn main() {}
