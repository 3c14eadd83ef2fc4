//! allowed: what if it cannot is part of the call.

use netmem::skb::{ReadError, Skb};

fn sum(skb: &Skb) -> Result<u16, ReadError> {
    let sum: u16 = skb.checksum(0, skb.len())?;
    Ok(sum)
}

fn main() {}
