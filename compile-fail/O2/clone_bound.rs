//! forbids: O2
//! expect: E0277 "the trait bound `Netmem: Clone` is not satisfied"
//! lifted by: counterfactual
//!
//! The same through generic code, as `vec![memory; 2]` would.

fn twice<T: Clone>(one: T) -> [T; 2] {
    [one.clone(), one]
}

fn call(memory: netmem::Netmem) {
    let _ = twice(memory);
}

fn main() {}
