//! Receives with one stage of the port of hns3, and checks every byte.
#![forbid(unsafe_code)]

#[path = "receive/args.rs"]
mod args;
#[path = "receive/check.rs"]
mod check;
#[path = "receive/digest.rs"]
mod digest;
#[path = "port/mod.rs"]
mod port;
#[path = "receive/report.rs"]
mod report;

use netmem::driver::hns3::{devmem, netmem as with_netmem, page};
use netmem::driver::port::PortRing;
use netmem::nic::Nic;
use port::{AnyError, Memory, Stage};
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
