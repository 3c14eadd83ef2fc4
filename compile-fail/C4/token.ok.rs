//! allowed: a frag is one already.

use netmem_consumers::devmem::DmabufToken;
use netmem::{Frag, NetIov};

fn give_back(from: Frag<NetIov>) -> Frag {
    from.into()
}

fn main() {
    let _: Option<(DmabufToken, Frag<NetIov>)> = None;
}
