//! allowed: in host memory there is something to read.

use netmem::Frag;
use netmem::page_pool::Readable;

fn parse<K: Readable>(frag: &Frag<K>) {
    let _ = frag.bytes();
}

fn receive(frag: Frag<netmem::Page>) {
    parse(&frag);
}

fn main() {}
