//! forbids: S1
//! expect: E0308 "expected `u16`, found `Result<u16, ReadError>`"
//! lifted by: nothing (a Result taken for its content)
//! history: 2e357f002c61, row 38
//!
//! "net: Avoid checksumming unreadable skb tail on trim"
//!
//! Ethernet padding is cut off, and its sum is taken off the checksum of the packet: the padding lies in device memory.

use netmem::skb::{ReadError, Skb};

fn pskb_trim_rcsum(skb: &Skb, len: usize, csum: u16) -> Result<u16, ReadError> {
    let tail: u16 = skb.checksum(len, skb.len() - len);
    Ok(csum.wrapping_sub(tail))
}

fn main() {}
