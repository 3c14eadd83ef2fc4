//! forbids: O2
//! expect: E0599 "no method named `clone` found for struct `Netmem<K>`"
//! lifted by: counterfactual
//!
//! A second reference, taken in passing. It would be put twice and counted once.

use netmem::{Netmem, Page};

fn second(memory: Netmem<Page>) -> [Netmem<Page>; 2] {
    let second = memory.clone();
    [memory, second]
}

fn main() {}
