//! skb: a packet, as the stack sees it.
//!
//! An [`Skb`] has a linear part, which the CPU can always read, and up to [`MAX_SKB_FRAGS`] frags, each of which it may
//! or may not. Readability is asked per range and not per packet (rule D4): the headers of a packet whose payload is in
//! device memory stay readable and writable. Bytes of a frag, copy and checksum included, come as `Option` or `Result`
//! (rule S1). A driver builds one around the headers that it received ([`Skb::receive_head`]), attaches frags, and delivers it;
//! [`Skb::frags`] shows them. Dropping an skb returns everything it holds, on any thread. `netmem_consumers::devmem` is how user space
//! receives frags that nobody can copy to it.
#![forbid(unsafe_code)]

pub mod checksum;
mod ethernet;
mod frag;
mod frag_ref;
#[cfg(not(netmem_backend = "linux"))]
mod owned;
mod packet;
mod readable;

#[doc(alias = "struct ethhdr")]
pub use ethernet::ETH_HLEN;
pub use ethernet::FrameError;
#[doc(alias = "eth_type_trans")]
#[doc(alias = "pskb_may_pull")]
pub use ethernet::check_frame;
pub use ethernet::eth_get_headlen;
pub use frag::MmFrag;
#[doc(alias = "skb_frag_t")]
#[doc(alias = "skb_mark_for_recycle")]
#[doc(alias = "skb_frag_unref")]
pub use frag::SkbFrag;
pub use frag_ref::FragRef;
#[doc(alias = "ip_summed")]
#[doc(alias = "CHECKSUM_NONE")]
#[doc(alias = "CHECKSUM_UNNECESSARY")]
#[doc(alias = "CHECKSUM_PARTIAL")]
pub use packet::IpSummed;
#[doc(alias = "sk_buff")]
#[doc(alias = "kfree_skb")]
#[doc(alias = "consume_skb")]
pub use packet::Skb;
pub use packet::{AddFragError, HeadError, MAX_SKB_FRAGS, ReadError};
#[doc(alias = "skb_frags_readable")]
pub use readable::ReadableSkb;
