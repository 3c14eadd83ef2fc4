//! allowed: an entry is a number, and stays one.

use netmem::zcrx::ZcrxRqe;

fn take(entry: ZcrxRqe) -> netmem::zcrx::ZcrxRqe {
    entry.into()
}

fn main() {}
