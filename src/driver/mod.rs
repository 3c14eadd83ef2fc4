//! A driver, written against the types of this crate.
//!
//! [`Hardware`] is what it needs of a device. [`netmem`] is a driver that receives into whatever memory its queues have.
#![forbid(unsafe_code)]

pub mod netmem;

use crate::dma::DmaQueue;

/// What a driver needs of its device.
pub trait Hardware {
    /// One receive queue.
    type Queue: DmaQueue;

    /// Takes receive queue `index`; `None` when there is none, or it has been taken.
    fn rx_queue(&mut self, index: usize) -> Option<Self::Queue>;
}
