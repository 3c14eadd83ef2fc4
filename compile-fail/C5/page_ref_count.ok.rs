//! allowed: the pool's count is part of it.

use netmem::{NetmemDesc, mm};

fn count(desc: &NetmemDesc) -> usize {
    desc.pp_ref_count()
}

fn main() {}
