//! A kit for tests of drivers and of memory providers.
//!
//! The kit has the parts that every such test needs. The tests of netmem are built from them, too.
//!
//! | part | purpose |
//! | --- | --- |
//! | [`Rig`], [`Account`] | host memory, a device, perhaps a GPU; and the account of what is missing at the end |
//! | [`Gpu`] | device memory that a pool can have, and the view of its owner |
//! | [`Vram`], [`net_iovs`] | device memory that nobody looks at, and net_iovs of it |
//! | [`Iovs`], [`Bank`] | providers of net_iovs and of pages, which say what they have |
//! | [`Altered`] | a provider that behaves as another one, except where the test says otherwise |
//! | [`Watched`] | a device that refuses to map when it is told to, and that keeps a log |
//! | [`Frames`], [`Gate`], [`Silence`], [`generated`], [`udp`], [`FLOW`] | traffic that the test decides |
//! | [`Polling`], [`wait_for`] | the end of a loop that polls, and of one that asks |
//! | [`Rng`], [`panics()`](fn@panics) | numbers that repeat in each run, and the message of a panic |
//!
//! Every part panics where it cannot do its work, because that ends the test at the right line.
//!
//! A whole test of a driver:
//!
//! ```
//! use netmem::netdev::{Hardware, RxRing};
//! use netmem_sim::dma::Iommu;
//! use netmem_sim::kit::{Frames, Polling, Rig, udp};
//! use netmem_sim::nic::NicParams;
//!
//! let rig = Rig::new(Iommu::new(), 64);
//! let mut nic = rig.nic(NicParams::default(), Frames::new([udp(b"first"), udp(b"second")]));
//! let mut pool = rig.pool();
//! let mut ring = RxRing::new(nic.rx_queue(0).unwrap()).unwrap();
//! for _ in 0..2 {
//!     ring.post(pool.alloc_frag(2048).unwrap(), None).unwrap();
//! }
//! ring.kick();
//! let (mut frames, mut polling) = (0, Polling::new());
//! loop {
//!     let completed = ring.complete().transpose().unwrap();
//!     frames += u32::from(completed.is_some());
//!     if polling.is_over(&nic, completed.is_some()) {
//!         break;
//!     }
//! }
//! assert_eq!(frames, 2);
//! drop((ring, nic, pool));
//! rig.assert_clean();
//! ```

mod altered;
mod bank;
mod gpu;
mod iovs;
mod panics;
mod rig;
mod rng;
mod traffic;
mod watched;

pub use altered::Altered;
pub use bank::Bank;
pub use gpu::Gpu;
pub use iovs::{Iovs, Vram, net_iovs};
pub use panics::panics;
pub use rig::{Account, Polling, Rig, wait_for};
pub use rng::Rng;
pub use traffic::{FLOW, Frames, Gate, Silence, frames_of, generated, udp};
pub use watched::Watched;
