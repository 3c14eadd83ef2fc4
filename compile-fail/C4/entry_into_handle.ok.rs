//! allowed: an entry is a number, and stays one.

use netmem::provider::zcrx::ZcrxRqe;

fn take(entry: ZcrxRqe) -> netmem::provider::zcrx::ZcrxRqe {
    entry.into()
}

fn main() {}
