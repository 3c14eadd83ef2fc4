//! forbids: O6
//! expect: E0599 "no method named `bytes` found for struct `NetmemRef<'a, K>`"
//! lifted by: counterfactual
//!
//! A borrowed handle gives identity and address. There may be any number of them, and a device behind one.

use netmem::Page;

fn read(memory: netmem::NetmemRef<'_, Page>) -> usize {
    memory.bytes().len()
}

fn main() {}
