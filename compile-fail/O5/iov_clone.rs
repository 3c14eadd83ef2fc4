//! forbids: O5
//! expect: E0277 "the trait bound `FreeIov: Clone` is not satisfied"
//! lifted by: counterfactual
//!
//! A free list of which a copy is kept, for the next time.

use netmem::FreeIov;

fn keep<T: Clone>(free: T) {
    drop(free);
}

fn save(iov: FreeIov) {
    keep(iov);
}

fn main() {}
