//! allowed: around host memory.

use netmem::Frag;
use netmem::skb::Skb;

fn build(frag: Frag<netmem::Page>) -> Skb {
    Skb::build(frag.into())
}

fn main() {}
