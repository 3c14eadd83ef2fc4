//! allowed: a borrowed handle is `Copy`: it is not a reference that is counted.

fn twice<T: Clone>(one: T) -> [T; 2] {
    [one.clone(), one]
}

fn call(memory: netmem::NetmemRef<'_>) {
    let _ = twice(memory);
}

fn main() {}
