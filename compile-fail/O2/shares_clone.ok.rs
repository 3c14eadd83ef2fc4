//! allowed: references come out one by one.

use netmem::{Page, Shares};

fn more(mut shares: Shares<Page>) -> usize {
    drop(shares.take());
    let rest = &mut shares;
    rest.left()
}

fn main() {}
