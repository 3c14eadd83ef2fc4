//! What netmem is tried on: models that keep the promises of hardware and make a driver's mistakes visible.
//!
//! | module or type | what it has |
//! | --- | --- |
//! | [`dma`] | three devices: one where a missing sync shows, one where DMA after unmap faults, one that is coherent |
//! | [`nic`] | a NIC: rings, header split, steering, a DMA engine on a thread of its own, and traffic for it |
//! | [`Memfd`] | memory of a "GPU": a device exports it, and the receiving side never maps it |
//! | [`HugeProvider`] | a provider of pages that are cut out of blocks of 2 MiB |
//! | [`conformance`] | a suite for memory providers: these, those of netmem, and yours |
//! | [`kit`] | what tests of drivers and providers need: a rig, device memory, wrong providers, traffic as they like |
//!
//! Nothing here has a privilege: it uses what netmem offers to everyone. netmem uses nothing of it, but in its tests.
#![deny(rustdoc::broken_intra_doc_links)]

pub mod conformance;
pub mod dma;
mod huge;
pub mod kit;
mod memfd;
pub mod nic;
mod sync;

#[doc(alias = "HPAGE_PMD_ORDER")]
pub use huge::HUGE_ORDER;
#[doc(alias = "split_page")]
pub use huge::HugeProvider;
pub use huge::HugeStats;
pub use memfd::{Memfd, MemfdError, MemfdView, OutOfBounds};
