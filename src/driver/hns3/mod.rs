//! A port in the manner of hns3, the driver of the thread: its receive path, in three stages.
//!
//! | stage | module | its memory |
//! | --- | --- | --- |
//! | (a) as it is, on page helpers | [`page`] | `PagePool<Page>` |
//! | (b) the same on netmem helpers | [`netmem`] | `PagePool`, refused when it cannot be read |
//! | (c) with device memory switched on | [`devmem`] | `PagePool` of either kind, and pages for headers |
//!
//! How a buffer lives, in each of them: half a page is allocated as a page fragment and posted. A frame of at most
//! [`RX_HEAD_SIZE`] bytes is copied, and its buffer is posted again as it is. Of a longer one the headers are copied, and
//! the rest goes up as a frag with the buffer's reference. When the ring is torn down, pages are put.
//!
//! The page is used again while the pool's reference to it is the only one: that is `page_pool_dev_alloc_frag`, which cuts a
//! page anew once both halves are back. The C driver has a second way for when there is no pool: it keeps a bias on the
//! page itself and flips between the halves. With a pool it does not flip, and a port always has one: recycling of one's own
//! on top of a pool is what Documentation/networking/netmem.rst forbids to drivers that take device memory.
//!
//! Left out, since the model has nothing for it: `frag_list`. A frame of more frags than an skb has is dropped and counted.
//!
//! ```
//! # #[cfg(feature = "std")] {
//! use netmem::dma::{Coherent, DmaBus};
//! use netmem::driver::{port::PortRing, hns3};
//! use netmem::nic::{Nic, NicParams, traffic::{Generator, GeneratorParams, PayloadSize}};
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
//! # }
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
