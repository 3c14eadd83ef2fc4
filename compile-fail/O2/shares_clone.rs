//! forbids: O2
//! expect: E0599 "no method named `clone` found for struct `Shares<K>`"
//! lifted by: counterfactual
//!
//! A bias of n doubled by copying it.

use netmem::{Page, Shares};

fn more(mut shares: Shares<Page>) -> usize {
    drop(shares.clone());
    let rest = &mut shares;
    rest.left()
}

fn main() {}
