//! mm: a page allocator, and the functions that take pages and nothing else.
//!
//! A [`Zone`] is a range of page frames with its array of [`Page`]s and a buddy allocator of orders 0 to
//! [`MAX_ORDER`]. Memory leaves it as a [`FreePage`], which is a value and unique (rule O5), and comes back when the
//! last reference to it goes.
//!
//! The functions here take `&Page` or [`PageRef`] (rule C5). A [`NetIov`](crate::NetIov) cannot be given to them, and
//! neither can a handle whose kind is not known to be `Page`: the nack of 2023, mm calls on something that only looks
//! like a page, is a type error.
//!
#![doc = include_str!("../../docs/page.svg")]
//!
//! ```
//! use netmem::mm::{self, Zone};
//!
//! let zone = Zone::new(16)?;
//! let page = zone.alloc(2).expect("16 frames hold an order 2");
//! let extra = mm::get_page(page.page());
//! assert_eq!(mm::page_ref_count(&extra), 2);
//! drop(page);
//! assert_eq!(zone.free_frames(), 12, "a reference is left");
//! mm::put_page(extra);
//! assert_eq!(zone.free_frames(), 16);
//! # Ok::<(), mm::ZoneError>(())
//! ```

mod free_page;
mod netmem;
mod page;
mod page_ref;

pub use free_page::{FreePage, SplitPages};
// rustdoc 1.95 loses the aliases of an item that it inlines, so they stand here.
#[doc(alias = "__netmem_address")]
pub use netmem::netmem_address;
pub use netmem::{netmem_compound_head, netmem_is_pfmemalloc, netmem_is_pref_nid, netmem_pfn_trace, netmem_ref_count};
#[doc(alias = "page_to_virt")]
pub use page::page_address;
#[doc(alias = "page_count")]
pub use page::page_ref_count;
pub use page::{compound_head, compound_order, page_is_pfmemalloc, page_size, page_to_nid, page_to_pfn};
#[doc(alias = "page_ref_inc")]
pub use page_ref::get_page;
pub use page_ref::{PageRef, put_page};

pub use crate::backend::Zone;
#[cfg(not(netmem_backend = "linux"))]
pub use crate::backend::ZoneError;

pub(crate) use page::{PFMEMALLOC, TAIL};

use crate::memory::Page;

/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;
/// Bytes in a page.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;
/// Physical addresses are below `1 << PHYSICAL_BITS`.
pub(crate) const PHYSICAL_BITS: u32 = 52;
/// The largest order that a zone serves: 1024 pages, 4 MiB.
#[doc(alias = "MAX_PAGE_ORDER")]
pub const MAX_ORDER: u32 = 10;
