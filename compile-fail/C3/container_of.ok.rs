//! allowed: comparing addresses is harmless.

use netmem::{NetmemDesc, Page};

fn cast(desc: &NetmemDesc, page: &Page) -> bool {
    let pointer = std::ptr::from_ref(desc).cast::<Page>();
    std::ptr::eq(page, pointer)
}

fn main() {}
