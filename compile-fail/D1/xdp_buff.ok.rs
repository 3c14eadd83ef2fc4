//! allowed: host memory

use netmem::Frag;
use netmem::netdev::XdpBuff;

fn packet(frag: Frag<netmem::Page>) -> Option<XdpBuff> {
    frag.try_into().ok()
}

fn main() {}
