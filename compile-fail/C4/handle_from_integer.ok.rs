//! allowed: a handle is made from memory that lives.

use netmem::NetmemRef;

fn make<'a>(from: &'a netmem::Page) -> NetmemRef<'a> {
    from.into()
}

fn main() {}
