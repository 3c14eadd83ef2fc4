//! forbids: O5
//! expect: E0599 "no method named `clone` found for struct `BindingId`"
//! lifted by: counterfactual
//!
//! The number of a dma-buf for two of them: user space could not say which one an offset is in.

use netmem::page_pool::BindingId;

fn twice(id: BindingId) {
    let second = id.clone();
    let _ = (second, id);
}

fn main() {}
