//! Drivers over netmem, without `unsafe`.
//!
//! [`Driver`] receives into whatever memory its queues have, and does not ask which; [`Transmitter`] is its other half, for
//! devices that transmit. A device is whatever is [`Hardware`](netmem::netdev::Hardware).
//!
//! Two ports show how a driver gets there, each in three stages that are kept side by side: [`hns3`] and [`gve`]. They
//! receive the same frames to the byte. docs/porting has what changes from stage to stage.
//!
//! Nothing here has a privilege: a driver of yours can call all that these call. The one to read first is
//! `sim/examples/plain.rs`, which is as small as a driver can be.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod driver;
pub mod gve;
pub mod hns3;
pub mod port;
mod readable;
mod stage;
mod transmit;

pub use driver::{Driver, DriverError, Polled, QueueConfig, QueueMemory, QueuePlan, RxStats, XdpError};
pub use readable::ReadableOnly;
pub use transmit::{TransmitError, Transmitter, TxStats};
