//! The place to try an attack on a rule.
//!
//! Write it in [`attack`], in safe code, and run
//!
//! ```text
//! cargo run -p netmem-compile-fail
//! ```
//!
//! Either rustc refuses the line, or what runs is right, or a rule is broken. `docs/rules.md` says of each rule what it
//! forbids. README.md beside this file says how a line that rustc refuses becomes a case.
#![forbid(unsafe_code)]

use netmem::mm::Zone;
use netmem::page_pool::{PagePool, PagePoolParams};
use netmem::provider::PageProvider;
use netmem::{Netmem, Page};

/// The attack. As it stands it fails at run time: memory that has two owners gives bytes to neither (rule O6).
///
/// With `drop(memory)` in the place of `drop(second)` it fails at compile time (rule O1). Where an attack needs memory that
/// is not here, a function with a parameter is enough: `fn page_of(iov: &netmem::NetIov) -> &Page`.
fn attack(mut memory: Netmem<Page>) -> bool {
    let second = memory.get();
    let broken = memory.bytes_mut().is_some();
    drop(second);
    drop(memory);
    broken
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let zone = Zone::new(16)?;
    let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(zone))?;
    let memory = pool.alloc().ok_or("no page is free")?;
    println!("the rule is {}", if attack(memory) { "broken" } else { "kept" });
    Ok(())
}
