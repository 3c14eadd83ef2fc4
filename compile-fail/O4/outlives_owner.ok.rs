//! allowed: keep a reference instead.

use netmem::PagePool;

fn keep(pool: &mut PagePool) -> Option<usize> {
    let kept;
    {
        let memory = pool.alloc()?;
        kept = memory.get();
    }
    Some(kept.pp_ref_count())
}

fn main() {}
