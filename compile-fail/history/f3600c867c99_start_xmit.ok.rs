//! allowed: asked, and a packet that is not readable goes back.

use netmem::dma::DmaTxQueue;
use netmem::netdev::{TxRefused, TxRing};
use netmem::skb::{ReadableSkb, Skb};

fn start_xmit<Q: DmaTxQueue>(ring: &mut TxRing<Q>, skb: Skb) -> Option<()> {
    let send: fn(&mut TxRing<Q>, ReadableSkb) -> Result<(), TxRefused> = TxRing::send;
    send(ring, skb.into_readable().ok()?).ok()
}

fn main() {}
