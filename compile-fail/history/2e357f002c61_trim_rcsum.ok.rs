//! allowed: when the tail cannot be read, the checksum is given up and not the packet.

use netmem::skb::{ReadError, Skb};

fn pskb_trim_rcsum(skb: &Skb, len: usize, csum: u16) -> Result<u16, ReadError> {
    let tail: u16 = skb.checksum(len, skb.len() - len)?;
    Ok(csum.wrapping_sub(tail))
}

fn main() {}
