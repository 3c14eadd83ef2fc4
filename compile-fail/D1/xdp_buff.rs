//! forbids: D1
//! expect: E0277 "the trait bound `XdpBuff: TryFrom<Frag<netmem::NetIov>>` is not satisfied"
//! lifted by: counterfactual
//!
//! A program would see device memory. It reads what it sees.

use netmem::Frag;
use netmem::netdev::XdpBuff;

fn packet(frag: Frag<netmem::NetIov>) -> Option<XdpBuff> {
    frag.try_into().ok()
}

fn main() {}
