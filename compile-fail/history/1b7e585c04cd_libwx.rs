//! forbids: O3
//! expect: E0382 "use of moved value: `page`"
//! lifted by: nothing (a move)
//! history: 1b7e585c04cd, row 4
//!
//! "net: libwx: remove duplicate page_pool_put_full_page()"
//!
//! The page goes to the skb, and then to the pool as well, because a flag that says who has it is still set. In Rust
//! the skb has it, and there is no flag.

use netmem::skb::Skb;
use netmem::{Frag, PagePool};

fn add(skb: &mut Skb, page: Frag, pool: &mut PagePool) {
    let _ = skb.add_rx_frag(page, 2048);
    pool.recycle_frag(page);
}

fn main() {}
