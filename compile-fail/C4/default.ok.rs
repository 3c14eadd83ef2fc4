//! allowed: "none yet" is an `Option`.

use netmem::DmaAddr;

fn blank<T: Default>() -> T {
    T::default()
}

fn slot() {
    let _ = blank::<Option<DmaAddr>>();
}

fn main() {}
