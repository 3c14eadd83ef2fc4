//! allowed: an address that some mapping gave may be passed on.

use netmem::DmaAddr;

fn make(from: DmaAddr) -> DmaAddr {
    from.into()
}

fn main() {}
