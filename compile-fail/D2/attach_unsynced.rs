//! forbids: D2
//! expect: E0277 "the trait bound `Frag: From<Received>` is not satisfied"
//! lifted by: counterfactual
//!
//! An unsynced buffer goes up the stack, which does not know the device and cannot sync it.

use netmem::Frag;
use netmem::page_pool::{PagePool, Received};
use netmem::skb::Skb;

fn attach(pool: &PagePool, skb: &mut Skb, buffer: Received) -> Option<()> {
    let frag: Frag = pool.sync_for_cpu(buffer).err()?.back.into();
    skb.add_rx_frag(frag, 2048).ok()
}

fn main() {}
