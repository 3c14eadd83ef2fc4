//! forbids: O3
//! expect: E0382 "use of moved value: `frame`"
//! lifted by: nothing (a move)
//! history: 60524f1d2bdf, row 6
//!
//! "net: ti: icssg-prueth: Fix packet handling for XDP_TX"
//!
//! A frame that was transmitted is returned, and the driver then recycles its page as well.

use netmem::page_pool::Batch;
use netmem::{Netmem, PagePool};

fn tx_complete(done: &mut Batch, frame: Netmem, pool: &mut PagePool) -> usize {
    done.put(frame);
    pool.recycle_direct(frame);
    pool.outstanding()
}

fn main() {}
