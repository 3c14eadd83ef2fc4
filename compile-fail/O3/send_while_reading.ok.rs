//! allowed: a copy is the reader's own.

use netmem::dma::DmaTxQueue;
use netmem::netdev::TxRing;
use netmem::skb::ReadableSkb;

fn xmit(ring: &mut TxRing<impl DmaTxQueue>, packet: ReadableSkb) -> usize {
    let piece = packet.pieces().next().map(<[u8]>::to_vec);
    let _ = ring.send(packet);
    piece.map_or(0, |piece| piece.len())
}

fn main() {}
