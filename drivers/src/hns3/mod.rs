//! A port in the manner of hns3, the driver of the thread: its receive path, in three stages.
//!
//! | stage | module | its memory |
//! | --- | --- | --- |
//! | (a) as it is, on page helpers | [`page`] | `PagePool<Page>` |
//! | (b) the same on netmem helpers | [`netmem`] | `PagePool`, refused when it cannot be read |
//! | (c) with device memory switched on | [`devmem`] | `PagePool` of either kind, and pages for headers |
//!
//! How a buffer lives, in each of them: a page is allocated, cut in two, and each half posted. A frame of at most
//! [`RX_HEAD_SIZE`] bytes is copied, and its buffer is posted again as it is. Of a longer one the headers are copied, and
//! the rest goes up as a frag with the buffer's reference. When the ring is torn down, pages are put.
//!
//! A page is used again while the ring's own reference to it is the only one, which is what the C driver keeps a bias for. It
//! does so on pages that are no pool's; with a pool it leaves that to `page_pool_alloc_frag`. The ports show the way that
//! Documentation/networking/netmem.rst leaves open to who recycles by himself: a reference of the pool's, never one of the
//! page. Since it is the last, a page that the stack drops on whatever thread goes into the pool's cache and not through its
//! ring. It keeps working when the memory is a device's, where circulation takes longer: when the pool has no more, all
//! that the ring has cut is looked at.
//!
//! Left out, since the model has nothing for it: `frag_list`. A frame of more frags than an skb has is dropped and counted.
//!
//! ```
//! use netmem_sim::dma::{Coherent, DmaBus};
//! use netmem_drivers::port::PortRing;
//! use netmem_drivers::hns3;
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
//! let pool = PagePool::<Page>::new(params, PageProvider::new(Zone::new(256)?))?;
//!
//! let mut ring = hns3::page::Ring::new(&mut nic, 0, pool)?;
//! while ring.stats().rx.packets < 10 {
//!     nic.wait(Duration::from_millis(10));
//!     ring.poll(64, &mut |skb| {
//!         assert_eq!(skb.len(), 142);
//!         Some(skb) // not wanted any more
//!     });
//! }
//! assert_eq!((ring.stats().copied, ring.stats().reused), (10, 10), "short frames are copied");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![doc(alias = "hns3_enet")]

pub mod devmem;
pub mod netmem;
pub mod page;

/// The longest frame that is copied, and the most of a longer one that may be headers, in bytes.
#[doc(alias = "HNS3_RX_HEAD_SIZE")]
pub const RX_HEAD_SIZE: u32 = 256;

/// Bytes of a buffer: half a page.
#[doc(alias = "hns3_buf_size")]
pub const BUF_SIZE: u32 = 2048;

/// Bytes of a header buffer, where headers are split off.
pub const HEAD_SIZE: u32 = 128;

/// How many of the pages that it has cut a ring looks at before it allocates one.
const LOOK_AT: usize = 4;
