//! The vocabulary: what a piece of network memory is, before anybody owns it.
//!
//! `core` only. Nothing here allocates, locks, or knows a page allocator: what needs mm (address, pfn, node) is a
//! function of [`crate::mm`], what owns a reference is a type of [`crate::page_pool`].
//!
//! Four structs mirror Linux 7.3, to the byte: [`NetmemDesc`], [`Page`], [`NetIov`], [`NetIovArea`]. Every field of
//! them is an atomic, because others (mm, the pool on another CPU, C code) write them while a reference lives. None has
//! a public field or constructor, and none is ever handed out by value or by `&mut` (rule C4).
//!
//! Over them lies one handle, [`NetmemRef`], a word with a tag in bit 0, and three kinds that say what is known of the
//! tag: [`Page`], [`NetIov`], [`PageOrIov`].

mod desc;
mod dma_addr;
mod kind;
pub mod layout;
mod net_iov;
mod netmem_ref;
mod page;

// rustdoc 1.95 loses the aliases of an item that it inlines, so they stand here.
#[doc(alias = "netmem_desc")]
#[doc(alias = "page_pool_iov")]
pub use desc::NetmemDesc;
pub use desc::PoolId;
#[doc(alias = "dma_addr_t")]
pub use dma_addr::DmaAddr;
pub use kind::{Backing, Kind, PageOrIov};
#[doc(alias = "net_iov")]
pub use net_iov::NetIov;
#[doc(alias = "net_iov_area")]
pub use net_iov::NetIovArea;
#[doc(alias = "net_iov_type")]
pub use net_iov::NetIovType;
#[doc(alias = "netmem_ref")]
#[doc(alias = "page_pool_iov")]
pub use netmem_ref::NetmemRef;
pub use page::Page;

pub(crate) use netmem_ref::Raw;
