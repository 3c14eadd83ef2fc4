//! forbids: S2
//! expect: E0277 "does not declare that it transmits memory the CPU cannot read"
//! lifted by: nothing (the declaration is the driver's to make, and the twin makes it)
//!
//! A driver that declares nothing is given whatever packet comes.

use netmem::dma::DmaTxQueue;
use netmem::netdev::TxRing;
use netmem::skb::Skb;

fn xmit(ring: &mut TxRing<impl DmaTxQueue>, skb: Skb) {
    let _ = ring.send_netmem(skb);
}

fn main() {}
