//! forbids: C4
//! expect: E0277 "the trait bound `NetmemDesc: IntoBytes` is not satisfied"
//! lifted by: counterfactual
//!
//! A descriptor copied as bytes, say into shared memory, to be written back later.

fn copy<T: zerocopy::IntoBytes>(from: &T) {
    let _ = from;
}

fn save(desc: &netmem::NetmemDesc) {
    copy(desc);
}

fn main() {}
