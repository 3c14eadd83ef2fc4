//! forbids: C4
//! expect: E0277 "the trait bound `DmaAddr: From<u64>` is not satisfied"
//! lifted by: counterfactual
//!
//! A DMA address made up by the driver. The device would write there.

use netmem::DmaAddr;

fn make(from: u64) -> DmaAddr {
    from.into()
}

fn main() {}
