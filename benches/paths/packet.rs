//! The path of a packet through the driver and through a transmit ring.
//!
//! The device is a script. It completes each buffer as soon as it is asked, and it touches no memory. So what is counted is
//! what ring, driver, packet and pools do.

use super::BULK;
use netmem::dma::{
    DeviceId, DmaDevice, DmaDirection, DmaQueue, DmaTxQueue, MapError, PeerMemory, RxCompletion, RxDescriptor,
    TxCompletion, TxDescriptor,
};
use netmem::mm::{Zone, page_to_pfn};
use netmem::netdev::{Hardware, Napi, RxMemory, TxRing};
use netmem::page_pool::{AnyProvider, PagePool, PagePoolParams};
use netmem::provider::PageProvider;
use netmem::skb::{IpSummed, Skb};
use netmem::{DmaAddr, Page, PageOrIov};
use netmem_drivers::{Driver, QueueConfig};
use std::sync::Arc;

/// The number of descriptors in a ring.
const DEPTH: usize = 256;

/// The bytes of a packet: headers of TCP over IPv4, and a full segment.
const HEADERS: u32 = 66;
const PAYLOAD: u32 = 1448;

/// A device that does no DMA. A page is where it is.
struct Still(DeviceId);

fn device() -> Arc<dyn DmaDevice> {
    Arc::new(Still(DeviceId::new()))
}

// SAFETY: no address reaches anything, because the device does no DMA.
unsafe impl DmaDevice for Still {
    fn id(&self) -> DeviceId {
        self.0
    }
    unsafe fn map(&self, page: &Page, _: DmaDirection) -> Option<DmaAddr> {
        // SAFETY: the address is that of the page, for this device.
        Some(unsafe { DmaAddr::from_raw(page_to_pfn(page) << 12) })
    }
    unsafe fn unmap(&self, _: DmaAddr) {}
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

/// The ids of what is posted, the oldest first.
struct Script {
    device: Arc<dyn DmaDevice>,
    ids: [u32; DEPTH],
    head: usize,
    tail: usize,
}

impl Script {
    fn new(device: Arc<dyn DmaDevice>) -> Self {
        Script { device, ids: [0; DEPTH], head: 0, tail: 0 }
    }

    fn push(&mut self, id: u32) {
        self.ids[self.head % DEPTH] = id;
        self.head += 1;
    }

    fn pop(&mut self) -> Option<u32> {
        let id = self.ids[self.tail % DEPTH];
        (self.tail != self.head).then(|| {
            self.tail += 1;
            id
        })
    }
}

// SAFETY: the device does no DMA.
unsafe impl DmaQueue for Script {
    fn device(&self) -> &Arc<dyn DmaDevice> {
        &self.device
    }
    fn depth(&self) -> usize {
        DEPTH
    }
    fn post(&mut self, descriptor: RxDescriptor) {
        self.push(descriptor.id());
    }
    fn kick(&mut self) {}
    fn complete(&mut self) -> Option<RxCompletion> {
        let id = self.pop()?;
        let (payload_len, header_len, csum_ok) = (PAYLOAD, HEADERS, Some(true));
        Some(RxCompletion { id, payload_len, header_len, end_of_frame: true, failed: false, csum_ok })
    }
    fn stop(&mut self) {}
}

/// The same, to send.
struct TxScript(Script);

// SAFETY: the device does no DMA.
unsafe impl DmaTxQueue for TxScript {
    fn device(&self) -> &Arc<dyn DmaDevice> {
        &self.0.device
    }
    fn depth(&self) -> usize {
        DEPTH
    }
    fn post(&mut self, descriptor: TxDescriptor) {
        if descriptor.end_of_packet() {
            self.0.push(descriptor.id());
        }
    }
    fn kick(&mut self) {}
    fn complete(&mut self) -> Option<TxCompletion> {
        Some(TxCompletion { id: self.0.pop()?, failed: false })
    }
    fn stop(&mut self) {}
}

/// The hardware with one receive queue.
struct Nic(Arc<dyn DmaDevice>);

impl Hardware for Nic {
    type Queue = Script;
    type Rx = PageOrIov;

    fn rx_queue(&mut self, index: usize) -> Option<Script> {
        (index == 0).then(|| Script::new(self.0.clone()))
    }
}

/// A pool for payload and one for headers, of pages for a device.
fn memory(device: &Arc<dyn DmaDevice>) -> RxMemory {
    let params = PagePoolParams::for_device(device.clone(), 4096);
    let provider = || PageProvider::new(Zone::new(1024).expect("4 MiB"));
    let payload = PagePool::<PageOrIov>::new(params.clone(), AnyProvider::Page(provider())).expect("a pool");
    RxMemory::new(payload, Some(PagePool::<Page>::new(params, provider()).expect("a pool")))
}

/// Packets that the NIC splits, up to the stack, which does `then` with each.
pub(super) fn receive(then: fn(Skb) -> Option<Skb>) -> Box<dyn FnMut(u64)> {
    let device = device();
    let mut driver = Driver::new(Nic(device.clone()), vec![QueueConfig::new(memory(&device))]).expect("a driver");
    Box::new(move |n| {
        for _ in 0..n / BULK {
            let work = driver.poll(BULK as u32, then).work;
            assert_eq!(u64::from(work), BULK, "a frame in each buffer");
        }
    })
}

/// Gives a packet back, to be recycled at once.
pub(super) fn give_back(skb: Skb) -> Option<Skb> {
    Some(skb)
}

/// Drops a packet, as another context would.
pub(super) fn discard(skb: Skb) -> Option<Skb> {
    drop(skb);
    None
}

/// Packets that are built of two fragments, sent, and recycled when they were.
pub(super) fn send() -> Box<dyn FnMut(u64)> {
    let device = device();
    let mut napi = Napi::new(vec![memory(&device)]);
    let mut ring = TxRing::new(TxScript(Script::new(device)), Zone::new(1).expect("a page")).expect("a ring");
    Box::new(move |n| {
        for _ in 0..n / BULK {
            let cleaned = napi.poll(BULK as u32, |poll| {
                for _ in 0..BULK {
                    let memory = poll.memory(0).expect("the NAPI is on");
                    let headers = memory.headers_mut().and_then(|pool| pool.alloc_frag(HEADERS)).expect("memory");
                    let payload = memory.payload_mut().alloc_frag(PAYLOAD).expect("memory");
                    let mut skb = Skb::build(headers);
                    skb.add_rx_frag(payload, 2048).expect("17 fit");
                    skb.set_ip_summed(IpSummed::Unnecessary);
                    ring.send(skb.into_readable().expect("pages")).expect("the ring has room");
                }
                ring.kick();
                ring.clean(poll)
            });
            assert_eq!(cleaned.sent, BULK, "each packet was sent");
        }
    })
}
