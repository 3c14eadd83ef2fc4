//! allowed: what is queued can be asked of the socket.

use netmem::skb::Skb;
use netmem::Refused;
use netmem_consumers::devmem::{EnqueueError, Sock};

fn receive(sock: &mut Sock, skb: Skb) -> Result<usize, Refused<EnqueueError, Skb>> {
    sock.queue(skb)?;
    Ok(sock.queued())
}

fn main() {}
