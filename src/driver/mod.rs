//! A driver, written against the types of this crate.
//!
//! [`Hardware`] is what it needs of a device. [`netmem`] is a driver that receives into whatever memory its queues have;
//! [`transmit`] is its other half, for devices that are [`TxHardware`].
//!
//! Two ports show how a driver gets there, each in three stages that are kept side by side: [`hns3`], of which stage (a),
//! as it is on page helpers, is [`page`], and [`gve`]. They receive the same frames to the byte. docs/porting has what
//! changes from stage to stage.
#![forbid(unsafe_code)]

pub mod gve;
pub mod hns3;
pub mod netmem;
pub mod port;
pub mod transmit;

#[doc(inline)]
pub use hns3::page;

use crate::dma::{DmaQueue, DmaTxQueue};
use crate::memory::Page;
use crate::netdev::{Capabilities, RxKind};

/// What a driver needs of its device.
pub trait Hardware {
    /// One receive queue.
    type Queue: DmaQueue;

    /// The kind of memory that its driver's queues receive into: `PageOrIov` for a device that splits headers off and does not
    /// care where payload goes, which declares unreadable memory (rule P3), else `Page`.
    type Rx: RxKind;

    /// Starts receive queue `index`, with empty rings.
    ///
    /// A queue that was stopped can be started again. While one runs, a second one may be asked for: buffers can be
    /// posted to it, and it takes over when the first is stopped (`ndo_queue_mem_alloc` before `ndo_queue_stop`); if it
    /// is dropped instead, the first goes on. Other queues go on in any case. `None` when there is no such queue, or
    /// there are two of it already.
    #[doc(alias = "netdev_queue_mgmt_ops")]
    #[doc(alias = "ndo_queue_start")]
    #[doc(alias = "ndo_queue_mem_alloc")]
    fn rx_queue(&mut self, index: usize) -> Option<Self::Queue>;

    /// Whether the device was taken out: no completion comes any more. Queues can be stopped still, and give back what
    /// they hold.
    #[doc(alias = "pci_channel_offline")]
    #[doc(alias = "netif_device_present")]
    fn is_gone(&self) -> bool {
        false
    }

    /// What the device says that it can do. Asked once, when a driver starts.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
}

/// A device that is driven as one that does not declare unreadable memory, whatever it could do: as every driver before it
/// was converted. The queues of a `Driver<ReadableOnly<..>>` take memory that the CPU can read, and nothing else compiles
/// (rule P3). The word is that of the type that the driver is given: another type of hardware around this one is another
/// driver, and speaks for itself.
#[derive(Debug)]
pub struct ReadableOnly<H>(
    /// The device.
    pub H,
);

impl<H: Hardware> Hardware for ReadableOnly<H> {
    type Queue = H::Queue;
    type Rx = Page;

    fn rx_queue(&mut self, index: usize) -> Option<H::Queue> {
        self.0.rx_queue(index)
    }

    fn is_gone(&self) -> bool {
        self.0.is_gone()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
}

/// What a driver needs of a device that transmits.
pub trait TxHardware: Hardware {
    /// One transmit queue. When it is [`NetmemTx`](crate::netdev::NetmemTx), packets may be sent from device memory.
    type TxQueue: DmaTxQueue;

    /// Starts transmit queue `index`, with an empty ring; `None` when there is no such queue, or it is in use. A queue that
    /// was stopped can be started again.
    fn tx_queue(&mut self, index: usize) -> Option<Self::TxQueue>;
}

impl<H: TxHardware> TxHardware for ReadableOnly<H> {
    type TxQueue = H::TxQueue;

    fn tx_queue(&mut self, index: usize) -> Option<H::TxQueue> {
        self.0.tx_queue(index)
    }
}
