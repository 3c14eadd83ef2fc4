//! forbids: S1
//! expect: E0308 "expected `u16`, found `Result<u16, ReadError>`"
//! lifted by: nothing (a Result taken for its content)
//!
//! The checksum of a packet whose payload may be in device memory: skb_checksum() would read it.

use netmem::skb::{ReadError, Skb};

fn sum(skb: &Skb) -> Result<u16, ReadError> {
    let sum: u16 = skb.checksum(0, skb.len());
    Ok(sum)
}

fn main() {}
