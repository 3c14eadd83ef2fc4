//! Three devices that make mistakes visible.
//!
//! | device | address | a mistake shows as |
//! | --- | --- | --- |
//! | [`Coherent`] | where the page is | DMA to memory that is not mapped faults, and is counted |
//! | [`Bounce`] | that of a buffer of its own | a missing or short sync: the CPU reads old bytes |
//! | [`Iommu`] | a new one each time, as long as there is room above | DMA after unmap or out of range faults, and is counted |
//!
//! All three are models, and stop bad DMA instead of suffering it. Real hardware without an IOMMU would not.

mod address_space;
mod bounce;
mod coherent;
mod iommu;

pub use address_space::{DmaFault, DmaStats};
pub use bounce::Bounce;
pub use coherent::Coherent;
pub use iommu::Iommu;

use netmem::dma::DmaDevice;
use std::sync::Arc;

/// The other end of a [`DmaDevice`]: the wires the device itself reads and writes through. For models of hardware.
///
/// # Safety
///
/// As for [`DmaDevice`]; a write or read that does not return a fault has reached what is mapped at that address, and one
/// that does has reached nothing.
pub unsafe trait DmaBus: DmaDevice {
    /// The device writes `bytes` at `addr`.
    ///
    /// # Errors
    ///
    /// [`DmaFault`] when any of the range is not mapped, or not for the device to write; it is counted, and nothing is
    /// written.
    ///
    /// # Safety
    ///
    /// If the range is mapped, it belongs to a buffer that has been posted to the device and not completed yet.
    unsafe fn write(&self, addr: usize, bytes: &[u8]) -> Result<(), DmaFault>;

    /// The device reads from `addr` on.
    ///
    /// # Errors
    ///
    /// [`DmaFault`] when any of the range is not mapped, or not for the device to read; it is counted, and `bytes` is as
    /// it was, unless a peer's memory failed half way.
    ///
    /// # Safety
    ///
    /// If the range is mapped, it belongs to a buffer that has been posted to the device and not completed yet.
    unsafe fn read(&self, addr: usize, bytes: &mut [u8]) -> Result<(), DmaFault>;

    /// Fails an access of `len` bytes on request, as one that reaches nothing: counts the fault and returns it. A model of a
    /// device that goes astray asks for it, because no address is sure to reach nothing.
    fn fault(&self, len: usize) -> DmaFault;

    /// What the device has counted.
    fn stats(&self) -> DmaStats;

    /// The driver's end.
    fn driver_side(self: Arc<Self>) -> Arc<dyn DmaDevice>;
}
