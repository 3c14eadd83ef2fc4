//! forbids: O5
//! expect: E0599 "no method named `clone` found for struct `DmaMapping`"
//! lifted by: counterfactual
//!
//! Two areas over one mapping: each byte handed out twice.

use netmem::dma::DmaMapping;

fn twice(mapping: DmaMapping) {
    let second = mapping.clone();
    let _ = (second, mapping);
}

fn main() {}
