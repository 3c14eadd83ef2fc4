//! One trace of operations on a pool, for a kernel module that has two pools: the kernel's page_pool and the engine of the crate.
//!
//! This crate is compiled twice, with `--cfg netmem_backend="linux"` and without. `trace.rs` is safe code over the public API, and
//! does not know which of the two pools it has. `door.rs` has the doors through which C enters. Here are an allocator and a panic
//! handler, which a kernel module must bring.
#![no_std]

extern crate alloc;

mod door;
mod trace;

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

unsafe extern "C" {
    /// `kmalloc` with GFP_ATOMIC, and `kvmalloc` for a large size, which may sleep. Null when there is no memory.
    fn netmem_trace_alloc(size: usize) -> *mut u8;
    /// `kvfree`.
    fn netmem_trace_free(at: *mut u8);
    /// `panic`. `file` has `len` bytes.
    fn netmem_trace_panic(file: *const u8, len: usize, line: u32) -> !;
}

/// The kernel's memory.
struct Kernel;

// SAFETY: the glue returns null, or memory of at least the size that nobody else has until it is freed. The size is a multiple of
// the alignment. `kmalloc` aligns memory to the largest power of two that divides its size, and `vmalloc` to a page.
unsafe impl GlobalAlloc for Kernel {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: only set-up allocates much, and it may sleep because C opens and closes a trace with interrupts on.
        unsafe { netmem_trace_alloc(layout.size().next_multiple_of(layout.align())) }
    }

    unsafe fn dealloc(&self, at: *mut u8, _: Layout) {
        // SAFETY: the caller says that `at` came from `alloc` and is given up.
        unsafe { netmem_trace_free(at) }
    }
}

#[global_allocator]
static ALLOCATOR: Kernel = Kernel;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let (file, line) = info.location().map_or(("?", 0), |at| (at.file(), at.line()));
    // SAFETY: the pointer and the length are those of a string that lives.
    unsafe { netmem_trace_panic(file.as_ptr(), file.len(), line) }
}
