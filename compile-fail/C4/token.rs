//! forbids: C4
//! expect: E0277 "the trait bound `Frag: From<DmabufToken>` is not satisfied"
//! lifted by: counterfactual
//!
//! A token that user space returns is taken for the frag it names. User space chose the number: it has to be looked up in
//! the table of the socket that is asked.

use netmem_consumers::devmem::DmabufToken;
use netmem::{Frag, NetIov};

fn give_back(from: DmabufToken) -> Frag {
    from.into()
}

fn main() {
    let _: Option<(DmabufToken, Frag<NetIov>)> = None;
}
