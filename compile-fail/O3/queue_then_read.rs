//! forbids: O3
//! expect: E0382 "borrow of moved value: `skb`"
//! lifted by: nothing (a move)
//!
//! The stack looks into a packet that it has queued on a socket, whose reader may have freed it.

use netmem::skb::Skb;
use netmem::Refused;
use netmem_consumers::devmem::{EnqueueError, Sock};

fn receive(sock: &mut Sock, skb: Skb) -> Result<usize, Refused<EnqueueError, Skb>> {
    sock.queue(skb)?;
    Ok(skb.len())
}

fn main() {}
