//! allowed: in host memory there is something to read.

use netmem::Frag;

fn receive(frag: &Frag<netmem::Page>) -> usize {
    frag.bytes().len()
}

fn main() {}
