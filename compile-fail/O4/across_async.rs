//! forbids: O4
//! expect: E0597 "`memory` does not live long enough"
//! lifted by: nothing (a lifetime)
//!
//! A task that outlives the handle it borrows from looks at memory that is in another packet by then.

use netmem::Netmem;

fn spawn(_task: impl Future<Output = usize> + 'static) {}

fn watch(memory: Netmem) {
    let borrowed = memory.borrow();
    spawn(async move { borrowed.pp_ref_count() });
}

fn main() {}
