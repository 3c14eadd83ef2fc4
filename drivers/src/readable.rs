//! [`ReadableOnly`]: a device whose driver does not declare unreadable memory.

use netmem::Page;
use netmem::netdev::{Capabilities, Hardware, TxHardware};

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

impl<H: TxHardware> TxHardware for ReadableOnly<H> {
    type TxQueue = H::TxQueue;

    fn tx_queue(&mut self, index: usize) -> Option<H::TxQueue> {
        self.0.tx_queue(index)
    }
}
