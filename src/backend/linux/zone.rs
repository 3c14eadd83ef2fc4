//! [`Zone`]: the kernel's page allocator.

use super::ffi;
use crate::mm::{FreePage, MAX_ORDER, PageRef};
use core::fmt;
use core::ptr::NonNull;

/// The kernel's page allocator, asked for pages of one NUMA node or of any.
#[derive(Clone)]
pub struct Zone {
    nid: Option<i32>,
}

impl Zone {
    /// Returns the page allocator. With `nid` it is asked for pages of that node first.
    pub fn kernel(nid: Option<i32>) -> Self {
        Zone { nid }
    }

    /// Allocates `1 << order` pages in one block. `None` when there is none, or `order` is above [`MAX_ORDER`].
    #[doc(alias = "alloc_pages")]
    #[doc(alias = "alloc_pages_node")]
    pub fn alloc(&self, order: u32) -> Option<FreePage> {
        if order > MAX_ORDER {
            return None;
        }
        // SAFETY: the function may be called with any node and order, in any context.
        let page = NonNull::new(unsafe { ffi::netmem_rs_alloc_pages(self.nid(), order) })?;
        // SAFETY: the block was just allocated, and its reference and its bytes are the caller's.
        Some(unsafe { FreePage::from_raw(page) })
    }

    /// Returns how many frames are free.
    pub fn free_frames(&self) -> usize {
        let mut total = 0;
        // SAFETY: the pointer is to a local variable.
        unsafe { ffi::netmem_rs_pages(&mut total) }
    }

    /// Returns how many frames there are.
    pub fn frames(&self) -> usize {
        let mut total = 0;
        // SAFETY: the pointer is to a local variable.
        unsafe { ffi::netmem_rs_pages(&mut total) };
        total
    }

    /// Returns the NUMA node; -1 stands for any.
    pub fn nid(&self) -> i32 {
        self.nid.unwrap_or(-1)
    }

    /// Returns the page that holds the byte at `address`, with a reference; `None` when it has no page.
    #[doc(alias = "virt_to_head_page")]
    pub fn virt_to_page(&self, address: *const u8) -> Option<PageRef> {
        // SAFETY: the glue checks the address.
        let page = NonNull::new(unsafe { ffi::netmem_rs_virt_to_page(address.addr()) })?;
        // SAFETY: the glue took a reference to the head, which is this value's.
        Some(unsafe { PageRef::from_raw(page) })
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zone").field("nid", &self.nid).finish()
    }
}
