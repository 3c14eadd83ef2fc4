//! Receives with one stage of the port of hns3, and checks every byte.
#![forbid(unsafe_code)]

#[allow(dead_code, reason = "each example uses its part of it")]
mod common;
mod port;

use common::args::Stage;
use common::job::AnyError;
use netmem_drivers::hns3::{devmem, netmem as with_netmem, page};
use netmem_drivers::port::PortRing;
use netmem_sim::nic::Nic;
use port::Memory;
use std::process::ExitCode;

fn main() -> ExitCode {
    port::main("port_hns3", start)
}

fn start(nic: &mut Nic, queue: usize, stage: Stage, memory: &Memory) -> Result<Box<dyn PortRing>, AnyError> {
    Ok(match stage {
        Stage::Page => Box::new(page::Ring::new(nic, queue, memory.pages()?)?),
        Stage::Netmem => Box::new(with_netmem::Ring::new(nic, queue, memory.payload()?)?),
        Stage::Devmem => Box::new(devmem::Ring::new(nic, queue, memory.payload()?, memory.pages()?)?),
    })
}
