//! allowed: frags are moved to the new packet, and the old one has them no more.

use netmem::skb::{Skb, SkbFrag};

fn attach(skb: &mut Skb, frag: SkbFrag) {
    if let SkbFrag::Pool(frag) = frag {
        let _ = skb.add_rx_frag(frag, 2048);
    }
}

fn expand_head(old: &mut Skb, head: &[u8]) -> Option<Skb> {
    let mut new = Skb::copy_from(head)?;
    old.take_frags().for_each(|frag| attach(&mut new, frag));
    Some(new)
}

fn main() {}
