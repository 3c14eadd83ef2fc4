//! allowed: what is synced is a frag already.

use netmem::Page;

fn done(buffer: netmem::Frag<Page>) -> netmem::Frag<Page> {
    buffer.into()
}

fn main() {}
