//! allowed: the list may be moved, to another thread for example.

use netmem::FreeIov;

fn keep<T: Send>(free: T) {
    drop(free);
}

fn save(iov: FreeIov) {
    keep(iov);
}

fn main() {}
