//! forbids: O2
//! expect: E0308 "expected `SkbFrag`, found `FragRef<'_>`"
//! lifted by: nothing (a borrow is not the value)
//! history: 2cc3aeb5eccc, row 21
//!
//! "skbuff: Fix a potential race while recycling page_pool packets"
//!
//! An skb gets a new head, and the array of its frags is copied: two packets now believe that they must recycle the
//! same pages.

use netmem::skb::{Skb, SkbFrag};

fn attach(skb: &mut Skb, frag: SkbFrag) {
    if let SkbFrag::Pool(frag) = frag {
        let _ = skb.add_rx_frag(frag, 2048);
    }
}

fn expand_head(old: &mut Skb, head: &[u8]) -> Option<Skb> {
    let mut new = Skb::copy_from(head)?;
    old.frags().for_each(|frag| attach(&mut new, frag));
    Some(new)
}

fn main() {}
