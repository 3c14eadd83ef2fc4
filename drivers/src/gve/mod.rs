//! A port in the manner of gve: its receive path, in three stages.
//!
//! | stage | module | its memory |
//! | --- | --- | --- |
//! | (a) as it is, on page helpers | [`page`] | `PagePool<Page>` |
//! | (b) the same on netmem helpers | [`netmem`] | `PagePool`, refused when it cannot be read |
//! | (c) with device memory switched on | [`devmem`] | `PagePool` of either kind, never without pages for headers |
//!
//! How a buffer lives, in each of them: half a page is allocated, or all of it when two halves would not fit, and posted.
//! Headers that the device split off are copied into the packet, and their buffer is recycled directly; payload goes up as a
//! frag. A frame that was not split, of one buffer and at most [`RX_COPYBREAK`] bytes, is copied, and its buffer recycled
//! directly. A [`Filter`] sees the headers before there is a packet: what it drops is recycled directly, too, and costs
//! neither a packet nor a trip through the ring. When the ring is torn down, buffers are put.
//!
//! The header buffers of the C driver are slots of one coherent block; here they come from a pool of pages. Left out, since
//! the model has nothing for it: hardware GRO, queue page lists, `frag_list`. A frame of more frags than an skb has is
//! dropped and counted.
//!
//! ```
//! use netmem_sim::dma::{Coherent, DmaBus};
//! use netmem_drivers::port::PortRing;
//! use netmem_drivers::gve;
//! use netmem_sim::nic::{Nic, NicParams};
//! use netmem_sim::nic::traffic::{Generator, GeneratorParams, PayloadSize};
//! use netmem::page_pool::{PagePool, PagePoolParams};
//! use netmem::{mm::Zone, provider::PageProvider, Page};
//! use std::{sync::Arc, time::Duration};
//!
//! let size = PayloadSize::Fixed(100);
//! let traffic = Generator::new(GeneratorParams { seed: 1, packets: 10, size, ports: vec![5001] }, 1514)?;
//! let device = Arc::new(Coherent::new());
//! let mut nic = Nic::start(NicParams::default(), device.clone(), Box::new(traffic))?;
//! let params = PagePoolParams::for_device(device.driver_side(), 4096);
//! let zone = Zone::new(256)?;
//! let pool = || PagePool::<Page>::new(params.clone(), PageProvider::new(zone.clone()));
//!
//! // Headers are split off; no filter.
//! let mut ring = gve::page::Ring::new(&mut nic, 0, pool()?, Some(pool()?), None)?;
//! while ring.stats().rx.packets < 10 {
//!     nic.wait(Duration::from_millis(10));
//!     ring.poll(64, &mut |skb| {
//!         assert_eq!(skb.len(), 142);
//!         Some(skb) // not wanted any more
//!     });
//! }
//! let (payload, headers) = ring.pool_stats();
//! assert_eq!(payload.recycle_ring + headers.expect("there is one").recycle_ring, 0, "all of it went back directly");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![doc(alias = "gve_rx_dqo")]

pub mod devmem;
pub mod netmem;
pub mod page;

/// The longest frame that is copied, in bytes.
#[doc(alias = "GVE_DEFAULT_RX_COPYBREAK")]
pub const RX_COPYBREAK: u32 = 256;

/// Bytes of a buffer, at least.
#[doc(alias = "packet_buffer_truesize")]
pub const BUF_SIZE: u32 = 2048;

/// Bytes of a header buffer.
#[doc(alias = "GVE_DEFAULT_HEADER_BUFFER_SIZE")]
pub const HEAD_SIZE: u32 = 128;

/// Says whether to drop a frame, given its headers; where they were not split off, given all of its first buffer. It is not
/// asked about a frame whose first buffer ends within the Ethernet header ([`check_frame`](::netmem::skb::check_frame)).
pub type Filter = fn(&[u8]) -> bool;
