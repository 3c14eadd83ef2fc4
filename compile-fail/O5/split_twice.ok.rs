//! allowed: what could not be split comes back.

use netmem::FreePage;
use netmem::mm::SplitPages;

fn halve(block: FreePage, split: fn(FreePage, u32) -> Result<SplitPages, FreePage>) -> Option<FreePage> {
    let pages = split(block, 0);
    pages.map_or_else(Some, |mut pages| pages.next())
}

fn main() {}
