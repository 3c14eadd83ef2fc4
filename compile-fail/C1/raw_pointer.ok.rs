//! allowed: comparing addresses is harmless.

use netmem::{NetIov, Page};

fn cast(iov: &NetIov, page: &Page) -> bool {
    let pointer = std::ptr::from_ref(iov).cast::<Page>();
    std::ptr::eq(page, pointer)
}

fn main() {}
