//! Net_iovs, and the area that the last of them frees.

use super::world::{Bytes, check, join};
use crate::dma::{DmaBus, Iommu};
use loom::thread::spawn;
use netmem::dma::{DmaMapping, PeerError, PeerMemory};
use netmem::mm::PAGE_SIZE;
use netmem::page_pool::{PagePoolParams, ProviderError, Refill};
use netmem::{FreeIov, MemoryProvider, NetIov, NetIovArea, NetIovType, NetmemRef, PagePool};
use std::sync::Arc;

/// Memory of a device that nobody looks at.
struct Vram(usize);

impl PeerMemory for Vram {
    fn len(&self) -> usize {
        self.0
    }
    fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), PeerError> {
        Err(PeerError { offset, len: bytes.len() })
    }
}

fn area(device: &Arc<Iommu>, count: usize) -> Vec<FreeIov> {
    let len = count * PAGE_SIZE;
    let mapping = DmaMapping::new(device.clone(), Arc::new(Vram(len)), 0, len).unwrap();
    NetIovArea::carve(mapping, PAGE_SIZE, NetIovType::DmaBuf, 0).unwrap()
}

/// Bounds: 3 threads, all orders.
///
/// The net_iovs of an area are dropped on three threads. Whoever is last frees the area, after everybody else's use of
/// it, and unmaps the memory once.
#[test]
fn an_area_dropped_on_three_threads() {
    check("an_area_dropped_on_three_threads", None, || {
        let device = Arc::new(Iommu::new());
        let mut iovs = area(&device, 3);
        let droppers = [iovs.pop(), iovs.pop()].map(|iov| spawn(move || drop(iov)));
        assert_eq!(device.stats().mapped(), 1, "one is here");
        drop(iovs);
        droppers.into_iter().for_each(join);
        assert_eq!((device.stats().unmaps, device.stats().faults), (1, 0));
    });
}

/// Provides an area's net_iovs once, and drops what comes back: it has been unbound from its dma-buf.
struct Unbound(loom::sync::Mutex<Vec<FreeIov>>, Bytes);

impl MemoryProvider for Unbound {
    type Kind = NetIov;
    fn init(&self, _params: &PagePoolParams) -> Result<u32, ProviderError> {
        Ok(PAGE_SIZE as u32)
    }
    fn alloc(&self, out: &mut Refill<'_, NetIov>) {
        let free = std::mem::take(&mut *self.0.lock().unwrap());
        free.into_iter().for_each(|iov| out.push(iov).unwrap());
    }
    fn release(&self, iov: FreeIov) {
        self.1.alone(NetmemRef::<NetIov>::from(iov.net_iov()));
        drop(iov);
    }
}

/// Bounds: 3 threads, 3 preemptions.
///
/// Two net_iovs of a pool are put on two threads while the third drops the pool. Whoever returns the last of them frees
/// the area and unmaps the memory; the pool unmaps none of it.
#[test]
fn net_iovs_against_the_drop_of_the_pool() {
    check("net_iovs_against_the_drop_of_the_pool", Some(3), || {
        let (device, bytes) = (Arc::new(Iommu::new()), Bytes::new());
        let provider = Arc::new(Unbound(loom::sync::Mutex::new(area(&device, 2)), bytes.clone()));
        let params = PagePoolParams { pool_size: 2, ..PagePoolParams::for_device(device.clone(), PAGE_SIZE as u32) };
        let mut pool = PagePool::<NetIov>::new(params, provider.clone()).unwrap();
        let putters = [pool.alloc().unwrap(), pool.alloc().unwrap()].map(|memory| {
            let bytes = bytes.clone();
            spawn(move || bytes.put(memory))
        });
        drop(pool);
        putters.into_iter().for_each(join);
        assert_eq!((device.stats().unmaps, device.stats().faults), (1, 0));
        assert_eq!(Arc::strong_count(&provider), 1, "owners of the provider: the pool is not freed");
    });
}
