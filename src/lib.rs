//! Typed network memory.
#![cfg_attr(not(any(feature = "std", test)), no_std)]

extern crate alloc;

mod assert;
mod sync;

pub mod dma;
pub mod driver;
pub mod memory;
pub mod mm;
pub mod netdev;
#[cfg(feature = "std")]
pub mod nic;
pub mod page_pool;
pub mod provider;
pub mod skb;

pub use memory::{Backing, DmaAddr, Kind, NetIov, NetIovArea, NetIovType, NetmemDesc, NetmemRef, Page, PageOrIov};
pub use mm::{FreePage, PageRef};
pub use page_pool::{Frag, FreeIov, MemoryProvider, Netmem, PagePool, Shares};
