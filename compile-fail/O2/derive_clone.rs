//! forbids: O2
//! expect: E0277 "the trait bound `Frag: Clone` is not satisfied"
//! lifted by: counterfactual
//!
//! A driver's struct for a receive buffer, with the usual derive. Two descriptors would own one buffer.

#[derive(Clone)]
struct RxBuffer {
    frag: netmem::Frag,
}

fn len(buffer: &RxBuffer) -> u32 {
    buffer.frag.len()
}

fn main() {}
