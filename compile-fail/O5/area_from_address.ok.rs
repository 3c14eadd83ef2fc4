//! allowed: device memory is made from a mapping.

use netmem::page_pool::AreaError;
use netmem::{FreeIov, NetIovArea, NetIovType};

fn area(memory: netmem::dma::DmaMapping) -> Result<Vec<FreeIov>, AreaError> {
    NetIovArea::carve(memory.into(), 4096, NetIovType::DmaBuf, 0)
}

fn main() {}
