//! allowed: an entry is a number, and stays one.

use netmem_consumers::zcrx::ZcrxRqe;

fn take(entry: ZcrxRqe) -> netmem_consumers::zcrx::ZcrxRqe {
    entry.into()
}

fn main() {}
