//! forbids: C2
//! expect: E0277 "the trait bound `Frag<netmem::Page>: From<Frag<netmem::NetIov>>` is not satisfied"
//! lifted by: counterfactual
//!
//! A frag of device memory becomes one of host memory, and with that its bytes would be readable.

use netmem::{Frag, NetIov};

fn cast(frag: Frag<NetIov>) -> Frag<netmem::Page> {
    frag.into()
}

fn main() {}
