//! forbids: O5
//! expect: E0382 "use of moved value: `block`"
//! lifted by: nothing (a move)
//!
//! A block is split, and then used as if it were whole: its pages would have two owners.

use netmem::FreePage;
use netmem::mm::SplitPages;

fn halve(block: FreePage, split: fn(FreePage, u32) -> Result<SplitPages, FreePage>) -> Option<FreePage> {
    let pages = split(block, 0);
    pages.ok().and_then(|mut pages| pages.next()).or(Some(block))
}

fn main() {}
