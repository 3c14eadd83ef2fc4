//! The driver of `netmem-drivers` inside Linux, over an Intel 82574L and the kernel's page_pool.
//!
//! The receive path is the crate's, from the same files as in user space. Here are the hardware (`hardware.rs`), the doors through
//! which C enters (`door.rs`), and what a `no_std` program must bring: an allocator and a panic handler.
#![no_std]

extern crate alloc;

mod door;
mod hardware;

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

unsafe extern "C" {
    /// `kmalloc` with GFP_ATOMIC; null when there is no memory.
    fn netmem_nic_alloc(size: usize) -> *mut u8;
    /// `kfree`.
    fn netmem_nic_free(at: *mut u8);
    /// `panic`. `file` has `len` bytes.
    fn netmem_nic_panic(file: *const u8, len: usize, line: u32) -> !;
}

/// The kernel's slab allocator.
struct Kmalloc;

// SAFETY: `kmalloc` returns null or memory of at least the size that nobody else has, until `kfree`. The size is a multiple of the
// alignment; for a power of two the kernel aligns memory to the size, and for another one to the largest power of two that
// divides it.
unsafe impl GlobalAlloc for Kmalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the function may be called with any size, in any context.
        unsafe { netmem_nic_alloc(layout.size().next_multiple_of(layout.align())) }
    }

    unsafe fn dealloc(&self, at: *mut u8, _: Layout) {
        // SAFETY: the caller says that `at` came from `alloc` and is given up.
        unsafe { netmem_nic_free(at) }
    }
}

#[global_allocator]
static ALLOCATOR: Kmalloc = Kmalloc;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let (file, line) = info.location().map_or(("?", 0), |at| (at.file(), at.line()));
    // SAFETY: the pointer and the length are those of a string that lives.
    unsafe { netmem_nic_panic(file.as_ptr(), file.len(), line) }
}
