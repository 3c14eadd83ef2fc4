//! allowed: the question that has an answer for both.

use netmem::{NetmemRef, mm};

fn local(memory: NetmemRef<'_>) -> bool {
    mm::netmem_is_pref_nid(memory, 0)
}

fn main() {}
