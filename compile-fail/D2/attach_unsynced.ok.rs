//! allowed: synced, it may.

use netmem::Frag;
use netmem::page_pool::{PagePool, Received};
use netmem::skb::Skb;

fn attach(pool: &PagePool, skb: &mut Skb, buffer: Received) -> Option<()> {
    let frag: Frag = pool.sync_for_cpu(buffer).ok()?;
    skb.add_rx_frag(frag, 2048).ok()
}

fn main() {}
