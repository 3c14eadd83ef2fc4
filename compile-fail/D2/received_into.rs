//! forbids: D2
//! expect: E0277 "the trait bound `Frag<netmem::Page>: From<Received<netmem::Page>>` is not satisfied"
//! lifted by: counterfactual
//!
//! The sync is skipped by declaring the buffer done.

use netmem::Page;

fn done(buffer: netmem::page_pool::Received<Page>) -> netmem::Frag<Page> {
    buffer.into()
}

fn main() {}
