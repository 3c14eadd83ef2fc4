//! Reference memory providers: where pools get their memory.
//!
//! [`PageProvider`] is the page allocator, what a pool gets if nothing else is bound. [`DmabufProvider`] is memory of
//! another device, shared as a dma-buf.

mod page;

pub use page::PageProvider;
