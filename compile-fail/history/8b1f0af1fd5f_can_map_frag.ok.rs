//! allowed: without a page the answer is no.

use netmem::Page;
use netmem::mm::{PAGE_SIZE, page_size};
use netmem::skb::SkbFrag;

fn can_map_frag(frag: &SkbFrag) -> Option<bool> {
    let page: &Page = frag.page()?;
    Some(page_size(page) == PAGE_SIZE && frag.offset() == 0 && frag.len() as usize == PAGE_SIZE)
}

fn main() {}
