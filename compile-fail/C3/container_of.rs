//! forbids: C3
//! expect: E0133 "dereference of raw pointer is unsafe"
//! lifted by: nothing (unsafe)
//!
//! container_of(desc, struct page, desc), spelled out. Even the provenance is wrong: a `&NetmemDesc` may reach 48 bytes.

use netmem::{NetmemDesc, Page};

fn cast(desc: &NetmemDesc, page: &Page) -> bool {
    let pointer = std::ptr::from_ref(desc).cast::<Page>();
    std::ptr::eq(page, &*pointer)
}

fn main() {}
