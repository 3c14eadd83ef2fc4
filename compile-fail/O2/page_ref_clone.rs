//! forbids: O2
//! expect: E0599 "no method named `clone` found for struct `PageRef`"
//! lifted by: counterfactual
//!
//! mm's count is not raised by copying a handle either.

use netmem::PageRef;

fn second(page: PageRef) -> [PageRef; 2] {
    let second = page.clone();
    [page, second]
}

fn main() {}
