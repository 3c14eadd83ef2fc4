//! forbids: O6
//! expect: E0599 "no method named `bytes` found for struct `PageRef`"
//! lifted by: counterfactual
//!
//! A reference of mm's keeps the page; it does not say that nobody is writing it.

use netmem::mm;

fn read(page: mm::PageRef) -> u8 {
    page.bytes()[0]
}

fn main() {}
