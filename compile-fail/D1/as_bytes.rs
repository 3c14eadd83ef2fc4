//! forbids: D1
//! expect: E0277 "the trait bound `Frag<netmem::NetIov>: AsRef<[u8]>` is not satisfied"
//! lifted by: counterfactual
//!
//! A checksum over whatever looks like bytes. Device memory does not.

use netmem::{Frag, NetIov};

fn checksum(bytes: impl AsRef<[u8]>) -> usize {
    bytes.as_ref().len()
}

fn sum(frag: Frag<NetIov>) -> usize {
    checksum(frag)
}

fn main() {}
