//! allowed: what is queued can be asked of the socket.

use netmem::skb::Skb;
use netmem::devmem::{NotQueued, Sock};

fn receive(sock: &mut Sock, skb: Skb) -> Result<usize, NotQueued> {
    sock.queue(skb)?;
    Ok(sock.queued())
}

fn main() {}
