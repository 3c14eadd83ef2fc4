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

mod area;
mod frag;
mod netmem;
mod owned;
mod params;
mod pool;
mod provider;
mod readable;
mod received;
mod ring;
mod shared;
mod shares;
mod stats;

pub use area::{AreaError, FreeIov};
pub use frag::Frag;
pub use netmem::Netmem;
pub use params::{CACHE, DEFAULT_RING, MAX_RING, PagePoolParams, PoolError, PoolFlags, REFILL};
pub use pool::{OtherPool, PagePool};
pub use provider::{AnyProvider, MemoryKind, MemoryProvider, PoolKind, Refill, Refused};
pub use readable::Readable;
pub use received::Received;
pub use shares::Shares;
pub use stats::Stats;

pub(crate) use params::check_order;
