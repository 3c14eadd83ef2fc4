//! allowed: a frag is split.

use netmem::{Frag, Page};

fn second(mut frag: Frag<Page>) -> u32 {
    let second = frag.split_off(64);
    drop(second);
    frag.split_off(0);
    frag.len()
}

fn main() {}
