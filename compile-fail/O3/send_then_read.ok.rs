//! allowed: one that was not taken comes back.

use netmem::dma::DmaTxQueue;
use netmem::netdev::TxRing;
use netmem::skb::ReadableSkb;

fn xmit(ring: &mut TxRing<impl DmaTxQueue>, packet: ReadableSkb) -> usize {
    let Some(packet) = ring.send(packet).err().map(|refused| refused.back) else { return 0 };
    packet.len()
}

fn main() {}
