//! forbids: C2
//! expect: E0277 "the trait bound `NetmemRef<'_, netmem::Page>: From<NetmemRef<'_>>` is not satisfied"
//! lifted by: nothing (a From would collide with the TryFrom that checks)
//!
//! The check is skipped: `into` has no way to say no.

use netmem::{NetmemRef, Page};

fn cast(memory: NetmemRef<'_>) {
    let _ = <NetmemRef<'_, Page>>::from(memory);
}

fn main() {}
