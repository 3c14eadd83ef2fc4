//! forbids: C4
//! expect: E0277 "the trait bound `DmaAddr: Default` is not satisfied"
//! lifted by: counterfactual
//!
//! A blank one to be filled in later. Address 0 is an address like any other.

use netmem::DmaAddr;

fn blank<T: Default>() -> T {
    T::default()
}

fn slot() {
    let _ = blank::<DmaAddr>();
}

fn main() {}
