//! allowed: asked, and a packet that is not readable goes back.

use netmem::dma::DmaTxQueue;
use netmem::Refused;
use netmem::netdev::{TxError, TxRing};
use netmem::skb::{ReadableSkb, Skb};

fn start_xmit<Q: DmaTxQueue>(ring: &mut TxRing<Q>, skb: Skb) -> Option<()> {
    let send: fn(&mut TxRing<Q>, ReadableSkb) -> Result<(), Refused<TxError, ReadableSkb>> = TxRing::send;
    send(ring, skb.into_readable().ok()?).ok()
}

fn main() {}
