//! forbids: O6
//! expect: E0599 "no method named `get` found for struct `Frag<K>`"
//! lifted by: counterfactual
//!
//! A second owner of the same bytes, and one of the two may write.

use netmem::{Frag, Page};

fn second(mut frag: Frag<Page>) -> u32 {
    let second = frag.get();
    drop(second);
    frag.split_off(0);
    frag.len()
}

fn main() {}
