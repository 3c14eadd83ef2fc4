//! allowed: host memory

use netmem::Frag;
use netmem::netdev::XdpBuff;

fn packet(frag: Frag<netmem::Page>) -> XdpBuff {
    frag.into()
}

fn main() {}
