//! forbids: O2
//! expect: E0277 "the trait bound `Frag<netmem::Page>: From<PageRef>` is not satisfied"
//! lifted by: counterfactual
//! history: 1effe8ca4e34, row 18
//!
//! "skbuff: fix coalescing for page_pool fragment recycling"
//!
//! A frag of a page pool is given to a second skb with a reference of mm's, where one of the pool's was due: the pool
//! takes the page for its own again, and posts it to the device, while the second skb has it.

use netmem::mm::get_page;
use netmem::skb::Skb;
use netmem::{Frag, Page};

fn coalesce(to: &mut Skb, frag: &mut Frag<Page>) -> Option<()> {
    let second: Frag<Page> = get_page(frag.borrow().page()).into();
    to.add_rx_frag(second, 2048).ok()
}

fn main() {}
