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
//! page itself and flips between the halves. With a pool it does not flip, and a port always has one.
//!
//! Left out, since the model has nothing for it: `frag_list`. A frame of more frags than an skb has is dropped and counted.
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
