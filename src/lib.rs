//! Network memory, typed: a handle that a page can always be cast to, and that can never be cast to a page.
//!
//! In November 2023 Jakub Kicinski told the author of a patch how network memory should be typed: everyone who can deal
//! with memory that is not the host's uses the iov type, the old page helpers become thin wrappers with just a cast
//! from page to iov and a call of the iov helper, and one should "never cast the other way around". Linux keeps that
//! rule with an untyped word and run-time warnings. Here it is a property of the types:
//!
//! ```
//! use netmem::{mm::Zone, NetmemRef};
//!
//! /// Takes memory of either kind, as most of the stack should.
//! fn can_deal_with_both(memory: NetmemRef<'_>) -> bool {
//!     memory.is_net_iov()
//! }
//!
//! let zone = Zone::new(1)?;
//! let page = zone.alloc(0).expect("one page is free");
//! assert!(!can_deal_with_both(page.page().into())); // page to netmem: free
//! # Ok::<(), netmem::mm::ZoneError>(())
//! ```
//!
//! ```compile_fail,E0277
//! # fn page_of(iov: &netmem::NetIov) -> &netmem::Page {
//! iov.into() // net_iov to page: there is no such cast
//! # }
//! ```
//!
//! # The map
//!
//! Each layer uses only those above it.
//!
#![doc = include_str!("../docs/layers.svg")]
//!
//! | module | what it has |
//! | --- | --- |
//! | [`memory`] | the vocabulary: [`NetmemDesc`], [`Page`], [`NetIov`], [`NetmemRef`] and its kinds; `core` only |
//! | [`mm`] | a page allocator, [`FreePage`], [`PageRef`], and the functions that take pages and nothing else |
//! | [`dma`] | how a device reaches memory, and three devices that make mistakes visible |
//! | [`page_pool`] | [`PagePool`], [`Netmem`], [`Shares`], [`Frag`], and [`MemoryProvider`] |
//! | [`provider`] | pages, and a dma-buf that the CPU cannot read |
//! | [`skb`] | packets whose frags may be unreadable, and how user space receives those ([`skb::devmem`]) |
//! | [`netdev`] | [`Napi`](netdev::Napi), which lends the pools for a poll, the rings, binding, XDP |
//! | [`driver`] | a driver, without `unsafe`, that never asks which kind of memory it has |
//! | `nic` | a NIC model with real traffic (feature `std`) |
//!
//! # A tour
//!
//! A pool of host memory, and a buffer's life in it: allocated, written, shared, put.
//!
//! ```
//! use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Backing, Netmem, Page};
//!
//! let zone = Zone::new(64)?;
//! let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(zone.clone()))?;
//!
//! let mut memory: Netmem<Page> = pool.alloc().expect("64 pages are free");
//! memory.bytes_mut().expect("nobody else has it").fill(0x5a);
//!
//! // A second reference is asked for, and from then on nobody gets to write.
//! let second = memory.get();
//! assert!(memory.bytes_mut().is_none());
//! drop(second);
//!
//! // Forgetting the kind is free; asking for it again is a check that hands back what it is.
//! let memory: Netmem = memory.into();
//! match memory.backing() {
//!     Backing::Page(page) => pool.recycle_direct(page),
//!     Backing::NetIov(iov) => drop(iov),
//! }
//!
//! // The pool may go before its memory: the last handle frees it.
//! let last = pool.alloc().expect("the cache has one");
//! drop(pool);
//! drop(last);
//! assert_eq!(zone.free_frames(), 64);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Device memory has the same handles and no bytes:
//!
//! ```
//! # #[cfg(feature = "std")] {
//! use netmem::dma::{Coherent, DmaBus};
//! use netmem::page_pool::{AnyProvider, PagePool, PagePoolParams};
//! use netmem::provider::{Chunk, DmabufProvider, Memfd};
//! use std::sync::Arc;
//!
//! let device = Arc::new(Coherent::new()).driver_side();
//! let gpu = Memfd::new("gpu", 1 << 20)?;
//! let provider = DmabufProvider::bind(device.clone(), gpu, &[Chunk { offset: 0, len: 1 << 20 }], 4096)?;
//! let mut pool: PagePool = PagePool::new(PagePoolParams::for_device(device, 4096), AnyProvider::from(provider))?;
//!
//! let frag = pool.alloc_frag(2048).expect("a megabyte is free");
//! assert!(frag.bytes().is_none(), "memory of the GPU's is not for the CPU");
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The rules
//!
//! The documentation cites them by these names; RFC.md says how each is upheld, and the cases under `compile-fail/`
//! prove those that are types.
//!
//! | rule | says |
//! | --- | --- |
//! | C1 | a [`NetIov`] never becomes a [`Page`] |
//! | C2 | no handle of kind `NetIov` becomes one of kind `Page`, nor does [`PageOrIov`] without the check |
//! | C3 | the view never becomes the whole: no way leads from [`NetmemDesc`] back |
//! | C4 | nobody forges memory, a handle or a [`DmaAddr`] |
//! | C5 | functions of [`mm`] and mapping for DMA take page types and nothing else |
//! | O1 | a handle is put once, and not used afterwards |
//! | O2 | a reference is taken explicitly, never by `Clone`, and nobody drops one he does not hold |
//! | O3 | a buffer handed to the device, an skb or an XDP verdict is gone from the driver |
//! | O4 | a borrowed handle does not outlive what it borrows from |
//! | O5 | free memory is a value; an area is made from a mapping for the device that will use it |
//! | O6 | bytes need sole ownership: a [`Netmem`] whose counts are 1, or a [`Frag`] |
//! | D1 | memory behind a net_iov is never read or written through a handle |
//! | D2 | the device's buffer is not readable, nor are bytes outside the range that was synced |
//! | D3 | only a page is mapped; whether memory is synced is its provider's choice |
//! | D4 | readability is per range: headers stay readable when the payload is not |
//! | D5 | posted buffers come back by completion or from a stopped queue |
//! | N1 | direct recycling takes the consumer side in hand |
//! | N2 | the consumer side is not shared between threads |
//! | N3 | a poll with budget 0 lends no receive side (checked) |
//! | P1 | a provider of one kind cannot return the other |
//! | P2 | a header pool cannot be given device memory |
//! | P3 | only a driver that declares unreadable memory can be [bound](netdev::bind); Linux's conditions are checked |
//! | S1 | bytes of a frag, copy and checksum included, come as `Option` or `Result` |
//! | S2 | transmit takes readable skbs; others go to a driver that declares it, for the device they are bound to |
#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("netmem mirrors the layouts of 64-bit Linux: build for a target with 64-bit pointers");

extern crate alloc;
#[cfg(any(loom, all(test, not(feature = "std"))))]
extern crate std;

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
pub mod rules;
pub mod shim;
pub mod skb;

pub use memory::{Backing, DmaAddr, Kind, NetIov, NetIovArea, NetIovType, NetmemDesc, NetmemRef, Page, PageOrIov};
pub use mm::{FreePage, PageRef};
pub use page_pool::{Frag, FreeIov, MemoryProvider, Netmem, PagePool, Shares};
