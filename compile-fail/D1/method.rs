//! forbids: D1
//! expect: E0599 "the method `bytes` exists for reference `&Frag<netmem::NetIov>`, but its trait bounds were not satisfied"
//! lifted by: counterfactual
//!
//! The same as a driver would write it, without a parser in between.

use netmem::Frag;

fn receive(frag: &Frag<netmem::NetIov>) -> usize {
    frag.bytes().len()
}

fn main() {}
