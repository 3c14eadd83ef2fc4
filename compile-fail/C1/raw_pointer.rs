//! forbids: C1
//! expect: E0133 "dereference of raw pointer is unsafe"
//! lifted by: nothing (unsafe)
//!
//! The C cast, spelled out. Pointers may be cast as one likes; going on with one takes `unsafe`, and nobody can write the
//! `SAFETY:` comment that this one needs.

use netmem::{NetIov, Page};

fn cast(iov: &NetIov, page: &Page) -> bool {
    let pointer = std::ptr::from_ref(iov).cast::<Page>();
    std::ptr::eq(page, &*pointer)
}

fn main() {}
