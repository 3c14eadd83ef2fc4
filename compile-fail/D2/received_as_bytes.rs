//! forbids: D2
//! expect: E0277 "the trait bound `Received<netmem::Page>: AsRef<[u8]>` is not satisfied"
//! lifted by: counterfactual
//!
//! A parser for whatever looks like bytes. What has not been synced does not.

use netmem::Page;
use netmem::page_pool::Received;

fn parse(bytes: impl AsRef<[u8]>) -> usize {
    bytes.as_ref().len()
}

fn receive(buffer: Received<Page>) -> usize {
    parse(buffer)
}

fn main() {}
