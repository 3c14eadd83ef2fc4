//! [`KernelPages`] and [`KernelBinding`]: stand for the memory that a kernel gives a queue.

use crate::alloc::{Arc, NoMemory, try_arc};
use crate::memory::{NetIov, Page};
use crate::mm::{FreePage, PAGE_SIZE};
use crate::netdev::{RxKind, RxQueueConfig};
use crate::page_pool::{AnyProvider, FreeIov, MemoryProvider, PagePoolParams, ProviderError, Refill, check_order};
use core::fmt;

/// Stands for the kernel's page allocator. The kernel asks it by itself, so this has nothing to give.
#[derive(Debug)]
pub struct KernelPages;

/// Stands for what is bound to a queue, by netlink or by io_uring. The kernel asks it by itself, so this has nothing to give.
///
/// A pool over it is made for one queue ([`PagePoolParams::queue_idx`]). [`PagePool::new`](crate::PagePool::new) refuses when
/// the kernel has nothing bound there.
#[derive(Debug)]
pub struct KernelBinding;

impl MemoryProvider for KernelPages {
    type Kind = Page;

    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
        check_order(params.order)?;
        Ok((PAGE_SIZE as u32) << params.order)
    }

    fn alloc(&self, _: &mut Refill<'_, Page>) {}

    fn release(&self, page: FreePage) {
        drop(page);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the kernel's page allocator")
    }

    fn is_page_allocator(&self) -> bool {
        true
    }
}

impl MemoryProvider for KernelBinding {
    type Kind = NetIov;

    fn init(&self, params: &PagePoolParams) -> Result<u32, ProviderError> {
        Ok(if params.rx_page_size == 0 { PAGE_SIZE as u32 } else { params.rx_page_size })
    }

    fn alloc(&self, _: &mut Refill<'_, NetIov>) {}

    fn release(&self, iov: FreeIov) {
        drop(iov);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the kernel has bound to the queue")
    }
}

impl<K: RxKind> RxQueueConfig<K> {
    /// Returns how the kernel asks for the memory of a queue, in `ndo_queue_mem_alloc`: with memory that is bound to the queue
    /// (`netif_rxq_has_unreadable_mp`) or without, and with buffers of `rx_page_size` bytes, 0 for no wish.
    ///
    /// `None` when memory is bound that a driver of this kind does not declare (rule P3), or when there is no memory.
    #[doc(alias = "netdev_queue_config")]
    #[doc(alias = "netif_rxq_has_unreadable_mp")]
    pub fn of_kernel(bound: bool, rx_page_size: u32) -> Option<Self> {
        let provider = match bound {
            true => {
                let binding: Arc<dyn MemoryProvider<Kind = NetIov>> =
                    try_arc(KernelBinding).map_err(drop::<NoMemory>).ok()?;
                Some(K::provider(AnyProvider::NetIov(binding)).ok()?)
            }
            false => None,
        };
        Some(RxQueueConfig { provider, rx_page_size, headroom: 0 })
    }
}
