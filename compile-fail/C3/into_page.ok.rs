//! allowed: from the whole to the view.

fn cast(from: &netmem::Page) -> &netmem::NetmemDesc {
    from.into()
}

fn main() {}
