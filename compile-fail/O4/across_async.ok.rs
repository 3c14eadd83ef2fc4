//! allowed: the task has the handle.

use netmem::Netmem;

fn spawn(_task: impl Future<Output = usize> + 'static) {}

fn watch(memory: Netmem) {
    let borrowed = memory;
    spawn(async move { borrowed.pp_ref_count() });
}

fn main() {}
