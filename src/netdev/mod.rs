//! netdev: where a driver meets its device and its memory.
//!
//! [`Napi`] owns the pools of its queues and lends them, as `&mut`, for the length of a poll: that is what "in NAPI
//! context" means here (rules N1 to N3). [`RxMemory`] is what one queue receives into. [`RxRing`] holds the buffers that
//! the device has, and is the only way to hand it one (rules O3, D2, D5). [`bind`] puts memory of a provider on a queue
//! while it runs (rule P3), and the [`Binding`] it gives is what takes it off again. [`Xdp`] is a program that sees packets
//! before there is an skb. [`TxRing`] holds the packets that the device sends.
//!
//! # Transmit
//!
//! ```text
//!  Skb ──into_readable──▶ ReadableSkb ──send──▶ (in the ring, mapped) ──complete──▶ Skb ──▶ recycled, or dropped
//!   └──────────────────────────────send_netmem──▲   only for a driver that is NetmemTx
//! ```
//!
//! A plain transmit takes packets that the CPU can read (rule S2). What it cannot read goes to a driver whose queue
//! declares [`NetmemTx`], and only if its device memory is bound to that very device. Linux checks the second by
//! dropping the packet, and says nothing; here it comes back with the reason.
//!
#![doc = include_str!("../../docs/dma.svg")]
#![forbid(unsafe_code)]

mod binding;
mod device;
mod hardware;
mod held;
mod napi;
mod ring;
mod slots;
mod tx;
mod xdp;

#[doc(alias = "net_devmem_dmabuf_binding")]
pub use binding::Binding;
#[doc(alias = "netdev_queue_mgmt_ops")]
pub use binding::QueueMgmt;
#[doc(alias = "netif_mp_open_rxq")]
#[doc(alias = "net_devmem_bind_dmabuf_to_queue")]
#[doc(alias = "netdev_nl_bind_rx_doit")]
pub use binding::bind;
#[doc(alias = "netdev_rx_queue_restart")]
pub use binding::restart;
#[doc(alias = "netif_mp_close_rxq")]
#[doc(alias = "net_devmem_unbind_dmabuf")]
pub use binding::unbind;
pub use binding::{BindError, BindOptions, QueueError, RestartError, UnbindError, bind_pages, unbind_dropped};
#[doc(alias = "ETHTOOL_TCP_DATA_SPLIT_ENABLED")]
#[doc(alias = "hds_thresh")]
pub use device::HeaderSplit;
#[doc(alias = "net_device")]
#[doc(alias = "netdev_rx_queue")]
pub use device::NetDevice;
#[doc(alias = "netdev_queue_config")]
pub use device::RxQueueConfig;
#[doc(alias = "PP_FLAG_ALLOW_UNREADABLE_NETMEM")]
pub use device::UnreadableRx;
pub use device::{Capabilities, ConfigError, RxKind};
pub use hardware::{Hardware, TxHardware};
#[doc(alias = "napi_struct")]
#[doc(alias = "netif_napi_add")]
pub use napi::Napi;
pub use napi::{Poll, RxMemory};

#[doc(alias = "napi_struct")]
pub use crate::backend::KernelNapi;
pub use ring::{Completed, CompletionError, PostError, RxBuffers, RxRing};
pub use slots::RingError;
#[doc(alias = "netmem_tx")]
#[doc(alias = "NETMEM_TX_NONE")]
pub use tx::NetmemTx;
#[doc(alias = "netmem_tx_mode")]
#[doc(alias = "NETMEM_TX_DMA")]
#[doc(alias = "NETMEM_TX_NO_DMA")]
pub use tx::NetmemTxMode;
#[doc(alias = "xdp_frame")]
pub use tx::TxLoad;
#[doc(alias = "ndo_start_xmit")]
pub use tx::TxRing;
#[doc(alias = "skb_frag_dma_map")]
#[doc(alias = "netmem_dma_unmap_page_attrs")]
pub use tx::map_frag;
#[doc(alias = "validate_xmit_unreadable_skb")]
pub use tx::validate_xmit;
pub use tx::{Cleaned, Sent, TxCompletionError, TxError};
#[doc(alias = "xdp_action")]
pub use xdp::Verdict;
#[doc(alias = "bpf_prog_run_xdp")]
#[doc(alias = "dev_xdp_attach")]
pub use xdp::Xdp;
#[doc(alias = "xdp_buff")]
#[doc(alias = "xdp_frame")]
#[doc(alias = "xdp_return_frame")]
#[doc(alias = "xdp_rxq_info_reg_mem_model")]
#[doc(alias = "xdp_rxq_info_attach_page_pool")]
#[doc(alias = "xdp_reg_page_pool")]
#[doc(alias = "xdp_unreg_page_pool")]
pub use xdp::XdpBuff;
pub use xdp::{AdjustError, XdpOutcome, XdpReceiveError};
