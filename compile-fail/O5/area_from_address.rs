//! forbids: O5
//! expect: E0277 "the trait bound `DmaMapping: From<u64>` is not satisfied"
//! lifted by: counterfactual
//!
//! Device memory made from a bus address that somebody wrote down. Nothing says that the device may reach it.

use netmem::page_pool::AreaError;
use netmem::{FreeIov, NetIovArea, NetIovType};

fn area(memory: u64) -> Result<Vec<FreeIov>, AreaError> {
    NetIovArea::carve(memory.into(), 4096, NetIovType::DmaBuf, 0)
}

fn main() {}
