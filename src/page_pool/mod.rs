//! The page pool: who owns network memory, and how it comes back.
//!
//! [`PagePool`] is the consumer side, with a cache that needs no atomics. [`Netmem`] is one owned reference, [`Shares`]
//! many, [`Frag`] one with a range of its own, [`Received`] a frag that the CPU has not synced. Dropping any of them is
//! the put: it goes through the ring, from any thread. Memory comes from a [`MemoryProvider`] and returns to it.
//!
#![doc = include_str!("../../docs/handle.svg")]
//!
//! Where Linux syncs a buffer for the device when it is put, here the consumer side does, when the buffer enters the
//! cache: a put then touches no device and cannot race with the unmapping at shutdown.
//!
//! # Kinds
//!
//! A *kind* says what is known of the tag of a handle. Five traits are about kinds. All are sealed, so this table is complete.
//!
//! | trait | [`Page`](crate::Page) | [`NetIov`](crate::NetIov) | [`PageOrIov`](crate::PageOrIov) | says |
//! | --- | --- | --- | --- | --- |
//! | [`Kind`](crate::Kind) | yes | yes | yes | a handle may have this kind |
//! | [`MemoryKind`] | yes | yes | no | a provider has memory of this kind (rule P1) |
//! | [`PoolKind`] | yes | yes | yes | a pool may have this kind; it decides which providers the pool takes (rule P2) |
//! | [`Readable`] | yes | no | yes, as an `Option` | a frag of this kind gives bytes (rule D1) |
//! | [`RxKind`](crate::netdev::RxKind) | yes | no | yes | a driver may receive into this kind (rule P3) |
//!
//! # Names and numbers
//!
//! One name means one thing in the whole crate, and it is the kernel's where the kernel has one.
//!
//! | name | means |
//! | --- | --- |
//! | `get` | takes one more reference, and nothing else |
//! | `borrow` | gives the borrowed handle ([`NetmemRef`](crate::NetmemRef)) of an owned value |
//! | `from_raw`, `into_raw` | a value comes from C, or goes to C with its reference |
//! | `as_raw` | shows the word or number of a value that is `Copy`; nothing is given up |
//! | `id` | which pool or device it is: a value that is compared and has no order |
//! | `user_id`, `number` | a number for people and for user space |
//! | `size`, `piece_size` | bytes of a whole piece of memory, of one or of each that a pool has |
//! | `len` | bytes of a range |
//! | `inflight` | pieces that a pool has from its provider, as in Linux |
//! | `in_use` | the part of them that is in no cache and no ring |
//!
//! | type | counts |
//! | --- | --- |
//! | `u32` | bytes and offsets within one piece, as C has them; lengths of rings in parameters; orders |
//! | `usize` | references, pieces, queues and descriptors; bytes of a whole memory; DMA addresses |
//! | `u64` | statistics, which only grow |
//! | `i32` | NUMA nodes, because -1 is none; errno |

mod area;
mod batch;
mod binding;
mod bound;
mod chunk;
mod frag;
mod hooks;
mod idle;
mod netmem;
mod params;
mod parts;
mod pool;
mod provider;
mod readable;
mod received;
mod shares;
mod stats;

// rustdoc 1.95 loses the aliases of an item that it inlines, so they stand here.
pub use area::{AreaError, FreeIov};
pub use batch::Batch;
pub(crate) use batch::Handles;
#[doc(alias = "dmabuf_id")]
pub use binding::BindingId;
#[doc(alias = "get_netmem")]
#[doc(alias = "put_netmem")]
#[doc(alias = "skb_frag_ref")]
#[doc(alias = "net_devmem_get_net_iov")]
#[doc(alias = "net_devmem_put_net_iov")]
pub use bound::BoundFrag;
#[doc(alias = "net_devmem_get_binding")]
#[doc(alias = "net_devmem_dmabuf_binding_get")]
#[doc(alias = "net_devmem_dmabuf_binding_put")]
pub use bound::DmabufTxBinding;
pub use bound::{BoundFrags, TxRangeError};
#[doc(alias = "scatterlist")]
pub use chunk::Chunk;
pub use chunk::DmabufError;
pub use frag::{Frag, RangeError};
pub use hooks::{InitCallback, PoolHooks};
#[doc(alias = "netmem_ref")]
pub use netmem::{Netmem, ShareError};
#[doc(alias = "page_pool_params")]
pub use params::PagePoolParams;
pub use params::{PoolError, PoolFlags};
#[doc(alias = "page_pool")]
#[doc(alias = "page_pool_get")]
#[doc(alias = "page_pool_destroy")]
#[doc(alias = "page_pool_create_percpu")]
pub use pool::PagePool;
pub use pool::SyncError;
#[doc(alias = "pp_memory_provider_params")]
pub use provider::AnyProvider;
#[doc(alias = "memory_provider_ops")]
pub use provider::MemoryProvider;
pub use provider::{MemoryKind, PoolKind, ProviderError, Refill};
pub use readable::Readable;
pub use received::Received;
pub use shares::Shares;
#[doc(alias = "page_pool_stats")]
#[doc(alias = "page_pool_alloc_stats")]
#[doc(alias = "page_pool_recycle_stats")]
pub use stats::Stats;

#[cfg(not(netmem_backend = "linux"))]
pub use crate::backend::Shutdown;
#[cfg(not(netmem_backend = "linux"))]
#[doc(alias = "page_pool_release_retry")]
pub use crate::backend::Stalled;
pub use crate::memory::PoolId;

pub(crate) use area::container;
pub(crate) use batch::BATCH;
pub(crate) use chunk::carve;
pub(crate) use idle::Idle;
pub(crate) use params::{CACHE, REFILL, check_order};
pub(crate) use parts::Parts;
pub(crate) use provider::{Installed, Sink, Wish};
pub(crate) use readable::bytes_mut;
