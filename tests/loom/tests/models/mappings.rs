//! The unmapping of what is in flight, also of what a device still has.

use super::world::{World, check, join};
use crate::dma::{DmaBus, Iommu};
use loom::cell::UnsafeCell;
use loom::thread::spawn;
use netmem::dma::{DeviceId, DmaDevice, DmaDirection, DmaQueue, MapError, PeerMemory, RxCompletion, RxDescriptor};
use netmem::mm::PAGE_SIZE;
use netmem::netdev::{PostError, RxRing};
use netmem::page_pool::PagePoolParams;
use netmem::{DmaAddr, Page, PagePool};
use std::sync::Arc;

/// Bounds: 2 threads, 5 preemptions.
///
/// A ring of 1, so a put may leave the pool and unmap while the drop of the pool unmaps what is out. Every mapping ends
/// once, and none is left, or ends, after the drop has returned: then the device may go.
#[test]
fn a_put_that_leaves_against_the_scrub() {
    check("a_put_that_leaves_against_the_scrub", Some(5), || {
        let world = World::with_device(2);
        let mut pool = world.pool(1);
        let (first, second, bytes) = (pool.alloc().unwrap(), pool.alloc().unwrap(), world.bytes.clone());
        let putter = spawn(move || {
            bytes.put(first);
            bytes.put(second);
        });
        drop(pool);
        world.nothing_mapped();
        join(putter);
        world.nothing_mapped();
        world.end();
    });
}

/// Bounds: 3 threads, 3 preemptions.
///
/// As above with two putters, of which one may be waiting for the lock of the mappings, or hold it, when the pool goes.
#[test]
fn two_putters_against_the_scrub() {
    check("two_putters_against_the_scrub", Some(3), || {
        let world = World::with_device(2);
        let mut pool = world.pool(1);
        let putters = [pool.alloc().unwrap(), pool.alloc().unwrap()].map(|memory| world.put_on_thread(memory));
        drop(pool);
        world.nothing_mapped();
        putters.into_iter().for_each(join);
        world.nothing_mapped();
        world.end();
    });
}

/// A device that uses what is mapped until its queue has stopped. loom sees that as a read, and the end of a mapping as a
/// write.
struct Wire {
    inner: Arc<Iommu>,
    used: UnsafeCell<()>,
}

// SAFETY: there is no data in the cell; loom checks who reads and who writes.
unsafe impl Sync for Wire {}
// SAFETY: as above.
unsafe impl Send for Wire {}

// SAFETY: every call goes to a device that keeps the promise.
unsafe impl DmaDevice for Wire {
    fn id(&self) -> DeviceId {
        self.inner.id()
    }
    unsafe fn map(&self, page: &Page, direction: DmaDirection) -> Option<DmaAddr> {
        // SAFETY: promised by the caller.
        unsafe { self.inner.map(page, direction) }
    }
    unsafe fn unmap(&self, addr: DmaAddr) {
        self.used.with_mut(|_| ());
        // SAFETY: promised by the caller.
        unsafe { self.inner.unmap(addr) }
    }
    fn map_peer(&self, _: Arc<dyn PeerMemory>, _: usize, len: usize, _: DmaDirection) -> Result<DmaAddr, MapError> {
        Err(MapError::NoRoom { len })
    }
    unsafe fn unmap_peer(&self, _: DmaAddr) {}
    fn needs_sync(&self) -> bool {
        false
    }
    unsafe fn sync_for_cpu(&self, _: DmaAddr, _: usize, _: usize) {}
    unsafe fn sync_for_device(&self, _: DmaAddr, _: usize, _: usize) {}
    unsafe fn sync_bytes_for_device(&self, _: DmaAddr, _: usize, _: &[u8]) {}
}

/// A queue of that device, whose device writes the buffer last when it is told to stop.
struct Queue {
    wire: Arc<Wire>,
    device: Arc<dyn DmaDevice>,
    posted: Option<DmaAddr>,
}

// SAFETY: it touches what was posted before `stop` returns, and completes nothing.
unsafe impl DmaQueue for Queue {
    fn device(&self) -> &Arc<dyn DmaDevice> {
        &self.device
    }
    fn depth(&self) -> usize {
        1
    }
    fn post(&mut self, descriptor: RxDescriptor) {
        self.posted = Some(descriptor.payload().addr());
    }
    fn kick(&mut self) {}
    fn complete(&mut self) -> Option<RxCompletion> {
        None
    }
    fn stop(&mut self) {
        if let Some(addr) = self.posted {
            self.wire.used.with(|_| ());
            // SAFETY: the buffer is posted, and has not been completed.
            unsafe { self.wire.inner.write(addr.as_raw(), &[1]) }.expect("what the device has is mapped");
        }
    }
}

/// A ring of that device, and a pool that maps for it.
fn ring_and_pool(world: &World) -> (RxRing<Queue, Page>, PagePool<Page>) {
    let wire = Arc::new(Wire { inner: world.device.clone().unwrap(), used: UnsafeCell::new(()) });
    let queue = Queue { wire: wire.clone(), device: wire.clone(), posted: None };
    let params = PagePoolParams { pool_size: 1, ..PagePoolParams::for_device(wire, PAGE_SIZE as u32) };
    (RxRing::new(queue).unwrap(), world.pool_with(params))
}

/// Bounds: 2 threads, all preemptions.
///
/// One thread drops the pool, and the other stops a ring that has posted a page of it: the page is mapped until the ring has
/// stopped, and unmapped when both are done, by whichever is last.
#[test]
fn a_ring_that_stops_against_the_drop_of_the_pool() {
    check("a_ring_that_stops_against_the_drop_of_the_pool", None, || {
        let world = World::with_device(1);
        let (mut ring, mut pool) = ring_and_pool(&world);
        ring.post(pool.alloc_frag(PAGE_SIZE as u32).unwrap(), None).unwrap();
        let owner = spawn(move || drop(pool));
        let back = ring.stop().next().unwrap();
        join(owner);
        world.nothing_mapped();
        drop(back);
        world.end();
    });
}

/// Bounds: 2 threads, 3 preemptions.
///
/// One thread drops the pool, and the other posts a page of it: either it is refused, or it is mapped until it is back.
#[test]
fn a_post_against_the_drop_of_the_pool() {
    check("a_post_against_the_drop_of_the_pool", Some(3), || {
        let world = World::with_device(1);
        let (mut ring, mut pool) = ring_and_pool(&world);
        let frag = pool.alloc_frag(PAGE_SIZE as u32).unwrap();
        let owner = spawn(move || drop(pool));
        match ring.post(frag, None) {
            Ok(()) => {}
            Err(refused) => assert_eq!(refused.reason, PostError::NotMapped),
        }
        drop(ring);
        join(owner);
        world.nothing_mapped();
        world.end();
    });
}
