//! forbids: S2
//! expect: E0308 "expected `ReadableSkb`, found `Skb`"
//! lifted by: nothing (a check taken for done)
//! history: f3600c867c99, row 40
//!
//! "netmem: prevent TX of unreadable skbs"
//!
//! An skb with device memory is redirected to a device for transmit, and the driver maps what it has for pages. A
//! driver that does not declare that it can takes readable packets, and this one was never asked.

use netmem::dma::DmaTxQueue;
use netmem::Refused;
use netmem::netdev::{TxError, TxRing};
use netmem::skb::{ReadableSkb, Skb};

fn start_xmit<Q: DmaTxQueue>(ring: &mut TxRing<Q>, skb: Skb) -> Option<()> {
    let send: fn(&mut TxRing<Q>, ReadableSkb) -> Result<(), Refused<TxError, ReadableSkb>> = TxRing::send;
    send(ring, skb).ok()
}

fn main() {}
