//! allowed: a driver that declares netmem TX.

use netmem::dma::DmaTxQueue;
use netmem::netdev::TxRing;
use netmem::skb::Skb;

fn xmit(ring: &mut TxRing<impl DmaTxQueue + netmem::netdev::NetmemTx>, skb: Skb) {
    let _ = ring.send_netmem(skb);
}

fn main() {}
