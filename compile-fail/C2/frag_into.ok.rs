//! allowed: a frag of open kind gives its bytes after the check.

use netmem::{Frag, NetIov};

fn cast(frag: Frag<NetIov>) -> Frag<netmem::PageOrIov> {
    frag.into()
}

fn main() {}
