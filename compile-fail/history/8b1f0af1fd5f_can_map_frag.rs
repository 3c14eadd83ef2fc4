//! forbids: C2
//! expect: E0308 "expected `&Page`, found `Option<&Page>`"
//! lifted by: nothing (an Option taken for its content)
//! history: 8b1f0af1fd5f, row 35
//!
//! "tcp: reject net_iov in zerocopy receive mapping hints"
//!
//! Whether a frag can be mapped into user space is a question about its page, and it is asked of a net_iov, which has
//! none.

use netmem::Page;
use netmem::mm::{PAGE_SIZE, page_size};
use netmem::skb::SkbFrag;

fn can_map_frag(frag: &SkbFrag) -> Option<bool> {
    let page: &Page = frag.page();
    Some(page_size(page) == PAGE_SIZE && frag.offset() == 0 && frag.len() as usize == PAGE_SIZE)
}

fn main() {}
