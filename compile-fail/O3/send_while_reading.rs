//! forbids: O3
//! expect: E0505 "cannot move out of `packet` because it is borrowed"
//! lifted by: nothing (a borrow)
//!
//! A packet is sent while somebody reads its bytes.

use netmem::dma::DmaTxQueue;
use netmem::netdev::TxRing;
use netmem::skb::ReadableSkb;

fn xmit(ring: &mut TxRing<impl DmaTxQueue>, packet: ReadableSkb) -> usize {
    let piece = packet.pieces().next();
    let _ = ring.send(packet);
    piece.map_or(0, |piece| piece.len())
}

fn main() {}
