//! forbids: C5
//! expect: E0277 "the trait bound `&netmem::Page: From<&NetmemDesc>` is not satisfied"
//! lifted by: counterfactual
//!
//! mm's count, asked of the shared view. It is not part of it: where a page has `_refcount`, a net_iov has something else.

use netmem::{NetmemDesc, mm};

fn count(desc: &NetmemDesc) -> usize {
    mm::page_ref_count(desc.into()) as usize
}

fn main() {}
