//! Pools to measure: as a driver makes them, for a coherent device, with every check and every counter.

use netmem::dma::{DmaDevice, PeerError, PeerMemory};
use netmem::mm::Zone;
use netmem::page_pool::{AnyProvider, Chunk, PagePool, PagePoolParams};
use netmem::provider::{DmabufProvider, PageProvider};
use netmem::{NetIov, Page, PageOrIov};
use netmem_sim::dma::{Coherent, DmaBus};
use std::sync::Arc;

/// How many pieces of memory there are for a pool.
const PIECES: usize = 1024;

/// Memory of another device that nobody writes.
struct Peer;

impl PeerMemory for Peer {
    fn len(&self) -> usize {
        PIECES << 12
    }

    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), PeerError> {
        Err(PeerError { offset, len: bytes.len() })
    }
}

pub(crate) fn device() -> Arc<dyn DmaDevice> {
    Arc::new(Coherent::new()).driver_side()
}

/// A pool of pages.
pub(crate) fn pages() -> PagePool<Page> {
    let provider = PageProvider::new(Zone::new(PIECES).expect("4 MiB"));
    PagePool::<Page>::new(PagePoolParams::for_device(device(), 4096), provider).expect("a pool of pages")
}

fn dmabuf(device: &Arc<dyn DmaDevice>) -> Arc<DmabufProvider> {
    let chunk = Chunk { offset: 0, len: PIECES << 12 };
    DmabufProvider::bind(device.clone(), Arc::new(Peer), &[chunk], 4096).expect("a binding")
}

/// A pool of net_iovs.
pub(crate) fn iovs() -> PagePool<NetIov> {
    let device = device();
    let provider = dmabuf(&device);
    PagePool::<NetIov>::new(PagePoolParams::for_device(device, 4096), provider).expect("a pool of net_iovs")
}

/// A pool that has pages and does not say so in its type.
pub(crate) fn any() -> PagePool {
    let provider = PageProvider::new(Zone::new(PIECES).expect("4 MiB"));
    let provider = AnyProvider::Page(provider);
    PagePool::<PageOrIov>::new(PagePoolParams::for_device(device(), 4096), provider).expect("a pool of pages")
}

/// A pool that has net_iovs and does not say so in its type.
pub(crate) fn any_iovs() -> PagePool {
    let device = device();
    let provider = AnyProvider::NetIov(dmabuf(&device));
    PagePool::<PageOrIov>::new(PagePoolParams::for_device(device, 4096), provider).expect("a pool of net_iovs")
}
