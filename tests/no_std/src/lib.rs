//! Has a panic handler and a global allocator of its own, so that it does not build if anything in it brings std.
#![no_std]

use core::alloc::{GlobalAlloc, Layout};
#[cfg(feature = "std")]
extern crate netmem_with_std as _;

use netmem::mm::Zone;
use netmem::page_pool::{PagePool, PagePoolParams};
use netmem::provider::PageProvider;

struct NoMemory;

// SAFETY: it never hands out memory.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _layout: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }
    unsafe fn dealloc(&self, _ptr: *mut u8, _layout: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The end of a socket, which has no std either.
pub use netmem_consumers::devmem::Sock;
/// The driver, which has none.
pub use netmem_drivers::Driver;

/// Uses the pool, so that it is linked.
#[unsafe(no_mangle)]
pub extern "C" fn netmem_alloc_one() -> bool {
    let Ok(zone) = Zone::new(64) else { return false };
    let pool = PagePool::<netmem::Page>::new(PagePoolParams::default(), PageProvider::new(zone));
    pool.is_ok_and(|mut pool| pool.alloc().is_some())
}
