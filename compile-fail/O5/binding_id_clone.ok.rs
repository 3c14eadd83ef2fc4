//! allowed: the number itself can be told to anybody.

use netmem::provider::BindingId;

fn twice(id: BindingId) {
    let second = id.get();
    let _ = (second, id);
}

fn main() {}
