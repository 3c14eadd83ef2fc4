//! netdev: where a driver meets its device and its memory.
//!
//! [`Napi`] owns the pools of its queues and lends them, as `&mut`, for the length of a poll: that is what "in NAPI
//! context" means here (rules N1 to N3). [`RxMemory`] is what one queue receives into. [`RxRing`] holds the buffers that
//! the device has, and is the only way to hand it one (rules O3, D2, D5).
//!
#![doc = include_str!("../../docs/dma.svg")]
#![forbid(unsafe_code)]

mod napi;
mod ring;

#[doc(alias = "napi_struct")]
#[doc(alias = "netif_napi_add")]
pub use napi::Napi;
pub use napi::{Poll, RxMemory};
pub use ring::{BadCompletion, Completed, PostError, PostRefused, RxRing};
