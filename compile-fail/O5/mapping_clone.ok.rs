//! allowed: the mapping can be looked at, and used once.

use netmem::dma::DmaMapping;

fn twice(mapping: DmaMapping) {
    let second = mapping.addr();
    let _ = (second, mapping);
}

fn main() {}
