//! allowed: what the skb did not take comes back, and is recycled: it is that or nothing.

use netmem::skb::Skb;
use netmem::{Frag, PagePool};

fn add(skb: &mut Skb, page: Frag, pool: &mut PagePool) {
    let Err(netmem::Refused { back: netmem::skb::SkbFrag::Pool(page), .. }) = skb.add_rx_frag(page, 2048) else { return };
    pool.recycle_frag(page);
}

fn main() {}
