//! allowed: a future with a reference of its own.

use netmem::Netmem;

fn put_later(memory: Netmem) -> impl Future<Output = ()> {
    let later = { let memory = memory.get(); async move { drop(memory) } };
    assert!(memory.pp_ref_count() > 0);
    later
}

fn main() {}
