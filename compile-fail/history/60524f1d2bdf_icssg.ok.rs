//! allowed: returned, and nothing else.

use netmem::page_pool::Batch;
use netmem::{Netmem, PagePool};

fn tx_complete(done: &mut Batch, frame: Netmem, pool: &mut PagePool) -> usize {
    done.put(frame);
    pool.recycle_bulk(done);
    pool.outstanding()
}

fn main() {}
