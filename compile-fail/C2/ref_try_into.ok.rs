//! allowed: with the kind open, the check is what one does.

use netmem::{NetmemRef, Page};

fn ask(memory: NetmemRef<'_, netmem::PageOrIov>) -> Option<NetmemRef<'_, Page>> {
    memory.try_into().ok()
}

fn main() {}
