//! [`Hardware`]: what a driver needs of its device.

use super::{Capabilities, KernelNapi, RxKind};
use crate::dma::{DmaQueue, DmaTxQueue};

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

    /// Returns the kernel's NAPI that polls for the driver of this device. Asked once, when a driver starts.
    fn napi(&self) -> KernelNapi {
        KernelNapi::default()
    }

    /// What the device says that it can do. Asked once, when a driver starts.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
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
