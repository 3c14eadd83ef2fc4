//! allowed: from the whole to the view.

fn cast(from: &netmem::NetIov) -> &netmem::NetmemDesc {
    from.into()
}

fn main() {}
