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
//! The rest of the crate shows that this carries a data path. Ten minutes: the map, the tour, the
//! [rules](#the-rules), [where the proof is](#the-proof), and [what none of it does](#the-limits). RFC.md tells the whole
//! story, with the thread, the costs and where this departs from Linux. C names find their replacement in the search
//! box: `page_pool_put_page`, `netmem_to_page`, `skb_frag_page`.
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
//! | [`dma`] | how a device reaches memory: what it must promise, and what is mapped for it |
//! | [`page_pool`] | [`PagePool`], [`Netmem`], [`Shares`], [`Frag`], [`Batch`](page_pool::Batch), and [`MemoryProvider`] |
//! | [`provider`] | pages, and a dma-buf that the CPU cannot read |
//! | [`skb`] | packets whose frags may be unreadable |
//! | [`netdev`] | [`Napi`](netdev::Napi), which lends the pools for a poll, the rings, binding, XDP, transmit |
//! | [`shim`] | the helper names that C drivers call, as thin wrappers |
//! | [`rules`] | each rule: why, what rustc says, what to write instead |
//!
//! Below [`mm`], [`page_pool`] and [`skb`] is one seam, `src/backend`: the functions that they ask of a kernel. Everything here runs over
//! `model`, an engine in memory of this process; `--cfg netmem_backend="linux"` chooses the functions of a kernel instead.
//!
//! Three crates stand beside this one and use what it offers to everyone. `netmem-drivers` has a driver that never asks which
//! kind of memory it has, and two ports. `netmem-consumers` has user space's end: a socket, and zcrx. `netmem-sim` has what they are tried on: a NIC with real traffic, devices that make
//! DMA mistakes visible, and a suite for providers.
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
//! use netmem_sim::dma::{Coherent, DmaBus};
//! use netmem::page_pool::{AnyProvider, PagePool, PagePoolParams};
//! use netmem::page_pool::Chunk;
//! use netmem::provider::DmabufProvider;
//! use netmem_sim::Memfd;
//! use std::sync::Arc;
//!
//! let device = Arc::new(Coherent::new()).driver_side();
//! let gpu = Memfd::new("gpu", 1 << 20)?;
//! let provider = DmabufProvider::bind(device.clone(), gpu, &[Chunk { offset: 0, len: 1 << 20 }], 4096)?;
//! let mut pool: PagePool = PagePool::new(PagePoolParams::for_device(device, 4096), AnyProvider::from(provider))?;
//!
//! let frag = pool.alloc_frag(2048).expect("a megabyte is free");
//! assert!(frag.bytes().is_none(), "memory of the GPU's is not for the CPU");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A driver's receive path says nowhere where payload goes, and no `?` in it leaks: what was not passed on is dropped,
//! and that is the put.
//!
//! ```
//! use netmem::dma::DmaQueue;
//! use netmem::netdev::{Completed, Poll, RxRing};
//! use netmem::skb::Skb;
//!
//! fn refill<Q: DmaQueue>(ring: &mut RxRing<Q>, poll: &mut Poll<'_>) -> Option<()> {
//!     // The consumer side, as &mut (N1, N2): only a poll lends it, and only with a budget (N3).
//!     let memory = poll.memory(0)?;
//!     let payload = memory.payload_mut().alloc_frag(2048)?;
//!     // A page, by the type of its pool (P2).
//!     let header = memory.headers_mut()?.alloc_frag(256)?;
//!     // Both are the device's now (O3).
//!     ring.post(payload, Some(header)).ok()
//! }
//!
//! fn receive<Q: DmaQueue>(ring: &mut RxRing<Q>, poll: &mut Poll<'_>) -> Option<Skb> {
//!     let memory = poll.memory(0)?;
//!     // Checked against what was posted; neither has bytes yet (D2).
//!     let Completed { payload, header, .. } = ring.complete()?.ok()?;
//!     // The packet is built around the headers, and costs the whole buffer.
//!     let (mut skb, truesize) = (Skb::receive_head(memory.headers()?, header?).ok()?, payload.truesize());
//!     // For a dma-buf this syncs nothing (D3).
//!     let payload = memory.payload().sync_for_cpu(payload).ok()?;
//!     // Headers can be read, whatever the payload is (D4).
//!     println!("{:02x?}", skb.linear());
//!     skb.add_rx_frag(payload, truesize).ok()?;
//!     Some(skb)
//! }
//! ```
//!
//! # The rules
//!
//! The documentation cites them by these names, and messages of this crate end with their anchors. *Checked* means at run time;
//! all others are types, wholly or for what the rule says first.
//!
//! | rule | says |
//! | --- | --- |
//! | [C1](rules#c1) | a [`NetIov`] never becomes a [`Page`] |
//! | [C2](rules#c2) | no handle of kind `NetIov` becomes one of kind `Page`, nor does [`PageOrIov`] without the check |
//! | [C3](rules#c3) | the view never becomes the whole: no way leads from [`NetmemDesc`] back |
//! | [C4](rules#c4) | nobody forges memory, a handle or a [`DmaAddr`] |
//! | [C5](rules#c5) | functions of [`mm`] and mapping for DMA take page types and nothing else |
//! | [O1](rules#o1) | a handle is put once, and not used afterwards |
//! | [O2](rules#o2) | a reference is taken explicitly, never by `Clone`, and nobody drops one he does not hold |
//! | [O3](rules#o3) | a buffer handed to the device, an skb or an XDP verdict is gone from the driver |
//! | [O4](rules#o4) | a borrowed handle does not outlive what it borrows from |
//! | [O5](rules#o5) | free memory is a value; an area is made from a mapping for the device that will use it |
//! | [O6](rules#o6) | bytes need sole ownership: a [`Netmem`] whose counts are 1, or a [`Frag`] |
//! | [D1](rules#d1) | memory behind a net_iov is never read or written through a handle |
//! | [D2](rules#d2) | the device's buffer is not readable, nor are bytes outside the range that was synced |
//! | [D3](rules#d3) | only a page is mapped; whether memory is synced is its provider's choice |
//! | [D4](rules#d4) | readability is per range: headers stay readable when the payload is not |
//! | [D5](rules#d5) | posted buffers come back by completion or from a stopped queue |
//! | [N1](rules#n1) | allocating and direct recycling take the consumer side in hand |
//! | [N2](rules#n2) | the consumer side is not shared between threads |
//! | [N3](rules#n3) | a poll with budget 0 lends no receive side (*checked*) |
//! | [P1](rules#p1) | a provider of one kind cannot return the other |
//! | [P2](rules#p2) | a header pool cannot be given device memory |
//! | [P3](rules#p3) | only a driver that declares unreadable memory can be [bound](netdev::bind); Linux's conditions are *checked* |
//! | [S1](rules#s1) | bytes of a frag, copy and checksum included, come as `Option` or `Result` |
//! | [S2](rules#s2) | transmit takes readable skbs; others go to a driver that declares it, for the device they are bound to |
//! | [S3](rules#s3) | a driver delivers a packet with unreadable bytes only if its checksum is verified (*checked*) |
//! | [S4](rules#s4) | a piece that user space holds is a value, and is given back once; numbers that name nothing are counted |
//!
//! # The proof
//!
//! - `compile-fail/`, a directory a rule: one forbidden line, the message it must give, and a twin that differs in one
//!   line and compiles. Where a missing impl upholds a rule, a copy of the crate that has the impl must accept the same
//!   line.
//! - `docs/bugs.md`: 55 bugs that Linux has fixed, written again here, and what became of each.
//! - `tests/loom`: models of the pool's ring and shutdown, and changes to the code that each of them must notice.
//! - `tests/`: a model of the pool against the pool, faults of everything it depends on, hostile devices and programs,
//!   TCP against the kernel's own, and what safe code can do to break the rules (`abuse`);
//!   `netmem_sim::conformance` for providers, these and yours.
//! - `kernel/run`: the same driver inside an unmodified Linux 7.3.4, over the kernel's own page_pool; and [`memory`] compared with
//!   that kernel's helpers on live memory.
//! - `benches/`: what it costs, in instructions that a script holds to a record, and in times beside DPDK's.
//!
//! # The limits
//!
//! `unsafe` code can transmute anything. `mem::forget` leaks, and so does a provider or hook that panics. Aliasing is
//! argued in `SAFETY` comments and not checked by a machine. A device that writes a buffer after it has completed it is
//! believed, unless it goes through bounce buffers. Which index is the right one, in which order locks are taken and
//! whether a check is too strict are questions that no type here answers; RFC.md lists the fixes that stand for these.
//! Layouts are those of 64-bit Linux 7.3.
#![no_std]
#![cfg_attr(
    netmem_backend = "linux",
    allow(dead_code, unused_imports, reason = "some of what stands above the seam is there for the model alone")
)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("netmem mirrors the layouts of 64-bit Linux: build for a target with 64-bit pointers");

extern crate alloc as liballoc;
#[cfg(any(loom, test))]
extern crate std;

mod alloc;
mod assert;
mod backend;
mod error;
mod few;
mod stack;
mod sync;

pub mod dma;
pub mod memory;
pub mod mm;
pub mod netdev;
pub mod page_pool;
pub mod provider;
pub mod rules;
pub mod shim;
pub mod skb;

pub use error::Refused;
pub use memory::{Backing, DmaAddr, Kind, NetIov, NetIovArea, NetIovType, NetmemDesc, NetmemRef, Page, PageOrIov};
pub use mm::{FreePage, PageRef};
pub use page_pool::{Frag, FreeIov, MemoryProvider, Netmem, PagePool, Shares};

/// The examples of the RFC compile, or do not, as it says.
#[cfg(doctest)]
#[doc = include_str!("../RFC.md")]
struct Rfc;
