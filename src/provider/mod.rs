//! Reference memory providers: where pools get their memory.
//!
//! [`PageProvider`] is the page allocator, what a pool gets if nothing else is bound. [`DmabufProvider`] is memory of
//! another device, shared as a dma-buf; `Memfd`, with `std`, is a device that exports some.

mod dmabuf;
#[cfg(feature = "std")]
mod memfd;
mod page;

pub use dmabuf::BindError;
#[doc(alias = "scatterlist")]
pub use dmabuf::Chunk;
#[doc(alias = "net_devmem_dmabuf_binding")]
pub use dmabuf::DmabufProvider;
#[cfg(feature = "std")]
pub use memfd::{Memfd, MemfdError, MemfdView, OutOfBounds};
pub use page::PageProvider;
