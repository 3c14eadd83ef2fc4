//! forbids: O4
//! expect: E0597 "`memory` does not live long enough"
//! lifted by: nothing (a lifetime)
//!
//! A netmem_ref kept after its owner is gone: in C it is a number, and nothing tells.

use netmem::PagePool;

fn keep(pool: &mut PagePool) -> Option<usize> {
    let kept;
    {
        let memory = pool.alloc()?;
        kept = memory.borrow();
    }
    Some(kept.pp_ref_count())
}

fn main() {}
