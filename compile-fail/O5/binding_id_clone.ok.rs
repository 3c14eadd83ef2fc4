//! allowed: the number itself can be told to anybody.

use netmem::page_pool::BindingId;

fn twice(id: BindingId) {
    let second = id.number();
    let _ = (second, id);
}

fn main() {}
