//! Reference memory providers: where pools get their memory.
//!
//! | provider | memory | kind |
//! | --- | --- | --- |
//! | [`PageProvider`] | the page allocator: what a pool gets if nothing else is bound | pages |
//! | [`DmabufProvider`] | another device's, shared as a dma-buf and bound for receive | net_iovs |
//! | `ZcrxProvider` of `netmem-consumers` | a program's, lent through io_uring | net_iovs |
//!
//! Memory to transmit from is bound as a [`DmabufTxBinding`](crate::page_pool::DmabufTxBinding). The crate `netmem-sim` has
//! more: a provider of huge pages, a device that exports memory, and `conformance`, which tests providers, these and yours.
//!
#![doc = include_str!("../../docs/provider.md")]

mod dmabuf;
mod page;

#[doc(alias = "net_devmem_dmabuf_binding")]
pub use dmabuf::DmabufProvider;
pub use page::PageProvider;

#[cfg(netmem_backend = "linux")]
pub use crate::backend::{KernelBinding, KernelPages};
