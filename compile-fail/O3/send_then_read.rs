//! forbids: O3
//! expect: E0382 "borrow of moved value: `packet`"
//! lifted by: nothing (a move)
//!
//! A packet is looked at after it was sent: it may be complete by then, and its pages in other hands.

use netmem::dma::DmaTxQueue;
use netmem::netdev::TxRing;
use netmem::skb::ReadableSkb;

fn xmit(ring: &mut TxRing<impl DmaTxQueue>, packet: ReadableSkb) -> usize {
    let _ = ring.send(packet);
    packet.len()
}

fn main() {}
