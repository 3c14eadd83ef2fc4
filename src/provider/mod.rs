//! Reference memory providers: where pools get their memory.
//!
//! | provider | memory | kind |
//! | --- | --- | --- |
//! | [`PageProvider`] | the page allocator: what a pool gets if nothing else is bound | pages |
//! | [`DmabufProvider`] | another device's, shared as a dma-buf and bound for receive | net_iovs |
//! | [`ZcrxProvider`](zcrx::ZcrxProvider) | a program's, lent through io_uring | net_iovs |
//!
//! [`DmabufTxBinding`] binds memory to transmit from. The crate `netmem-sim` has more: a provider of huge pages, a device
//! that exports memory, and `conformance`, which tests providers, these and yours.
//!
#![doc = include_str!("../../docs/provider.md")]

mod dmabuf;
mod dmabuf_tx;
mod page;
pub mod zcrx;

pub use crate::page_pool::{BindingId, NoBindingId};
pub use dmabuf::BindError;
#[doc(alias = "scatterlist")]
pub use dmabuf::Chunk;
#[doc(alias = "net_devmem_dmabuf_binding")]
pub use dmabuf::DmabufProvider;
#[doc(alias = "get_netmem")]
#[doc(alias = "put_netmem")]
#[doc(alias = "skb_frag_ref")]
#[doc(alias = "net_devmem_get_net_iov")]
#[doc(alias = "net_devmem_put_net_iov")]
pub use dmabuf_tx::BoundFrag;
#[doc(alias = "net_devmem_get_binding")]
#[doc(alias = "net_devmem_dmabuf_binding_get")]
#[doc(alias = "net_devmem_dmabuf_binding_put")]
pub use dmabuf_tx::DmabufTxBinding;
pub use dmabuf_tx::{BoundFrags, TxRangeError};
pub use page::PageProvider;
