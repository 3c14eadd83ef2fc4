//! What a pool costs in memory: a handle is a word, an idle pool is no larger than Linux's, and on a packet's path nothing
//! allocates.

use netmem::dma::DmaDevice;
use netmem::mm::Zone;
use netmem::netdev::RxMemory;
use netmem::page_pool::{AnyProvider, Chunk, PagePool, PagePoolParams};
use netmem::provider::{DmabufProvider, PageProvider};
use netmem::{NetIov, Netmem, NetmemRef, Page, PageOrIov};
use netmem_drivers::{Driver, Polled, QueueConfig};
use netmem_sim::Memfd;
use netmem_sim::dma::{Coherent, DmaBus, Iommu};
use netmem_sim::nic::traffic::{Generator, GeneratorParams, PayloadSize};
use netmem_sim::nic::{Nic, NicParams};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// Counts what each thread has allocated and not freed, so that the test harness's threads do not matter.
struct Counting;

thread_local! {
    static BYTES: Cell<isize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that ends frees after its counters are gone; nobody asks it any more.
    let _ = BYTES.try_with(|count| count.set(count.get() + bytes));
    let _ = CALLS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: all is the system's; only the counter is added, and it does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: promised by the caller; `alloc` gave it, from the system.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bytes that `make` allocates and what it makes keeps, itself included.
fn cost<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = BYTES.get();
    let made = make();
    let heap = BYTES.get() - before;
    (made, usize::try_from(heap).expect("making frees nothing that was there before") + size_of::<T>())
}

/// `struct page_pool` of Linux 7.3.4, by the BTF of Debian's kernel for x86-64. The counters of recycling, 40 bytes for
/// each processor, and the work item's and the allocator's own costs come on top and are not counted here.
const LINUX_PAGE_POOL: usize = 1728;
/// The queue of its ring: a pointer for each slot.
const DEFAULT_RING: u32 = PagePoolParams::DEFAULT_RING;
const LINUX_RING: usize = DEFAULT_RING as usize * 8;

#[test]
fn a_handle_is_one_word() {
    assert_eq!(size_of::<Netmem<Page>>(), 8);
    assert_eq!(size_of::<Netmem<NetIov>>(), 8);
    assert_eq!(size_of::<Option<Netmem<PageOrIov>>>(), 8);
    assert_eq!(size_of::<Option<NetmemRef<'_>>>(), 8);
}

#[test]
fn an_idle_pool_is_no_larger_than_that_of_linux() {
    let provider = PageProvider::new(Zone::new(256).unwrap());
    let device = Arc::new(Coherent::new()).driver_side();
    let mut params = PagePoolParams::for_device(device, 4096);
    params.pool_size = DEFAULT_RING;
    let (_pool, bytes) = cost(|| PagePool::<Page>::new(params, provider).unwrap());
    let linux = LINUX_PAGE_POOL + LINUX_RING;
    println!(
        "an idle pool with a ring of {DEFAULT_RING}: {bytes} bytes, of which its ring {LINUX_RING}; Linux 7.3.4: {linux}"
    );
    assert!(bytes > LINUX_RING, "the ring alone has more than the {bytes} bytes that were counted");
    assert!(bytes <= linux, "an idle pool has {bytes} bytes, and Linux's {linux}");
}

/// A pool that is dropped, and then its last handle, leave nothing behind.
#[test]
fn a_dropped_pool_leaves_nothing() {
    let provider = PageProvider::new(Zone::new(256).unwrap());
    let device = Arc::new(Coherent::new()).driver_side();
    let life = || {
        let before = BYTES.get();
        let params = PagePoolParams::for_device(device.clone(), 4096);
        let mut pool = PagePool::<Page>::new(params, provider.clone()).unwrap();
        let (first, last) = (pool.alloc().unwrap(), pool.alloc().unwrap());
        pool.recycle_direct(first);
        drop(pool);
        let with_one_out = BYTES.get();
        drop(last);
        (with_one_out - before, BYTES.get() - before)
    };
    life(); // the device model keeps the room of its table
    let (with_one_out, at_the_end) = life();
    assert!(with_one_out >= LINUX_RING as isize, "the last handle frees the pool, and not only {with_one_out} bytes");
    assert_eq!(at_the_end, 0, "bytes that nobody frees");
}

/// Receives `packets` in all on one queue, and returns how often the receiving thread called the allocator, either way, from half
/// of them on. The NIC has a thread of its own, which is not counted.
fn calls_of_half(payload: impl FnOnce(Arc<dyn DmaDevice>) -> AnyProvider, packets: u64) -> usize {
    let size = PayloadSize::Fixed(1000);
    let traffic = Generator::new(GeneratorParams { seed: 1, packets, size, ports: vec![5001] }, 1514).unwrap();
    let bus = Arc::new(Iommu::new());
    let device = bus.clone().driver_side();
    let nic = Nic::start(NicParams::default(), bus, Box::new(traffic)).unwrap();
    let params = || PagePoolParams::for_device(device.clone(), 4096);
    let payload = PagePool::new(params(), payload(device.clone())).unwrap();
    let headers = PagePool::<Page>::new(params(), PageProvider::new(Zone::new(512).unwrap())).unwrap();
    let memory = RxMemory::new(payload, Some(headers));
    let mut driver = Driver::new(nic, vec![QueueConfig::new(memory)]).unwrap();
    let (mut received, mut before) = (0, 0);
    while received < packets {
        // Half of the packets are dropped where they are delivered, half are given back to be recycled: both ways home.
        let Polled { work, .. } = driver.poll(64, |skb| {
            received += 1;
            if received == packets / 2 {
                before = CALLS.get();
            }
            (received % 2 == 0).then_some(skb)
        });
        if work == 0 {
            let calls = CALLS.get();
            driver.hardware().wait(Duration::from_millis(10));
            // Waiting is no part of the path.
            before += CALLS.get() - calls;
        }
    }
    CALLS.get() - before
}

/// From the refill of the ring to the skb and back: pages and device memory, headers split off, put and recycled.
#[test]
fn nothing_allocates_on_a_packets_path() {
    let pages = calls_of_half(|_| AnyProvider::from(PageProvider::new(Zone::new(2048).unwrap())), 20_000);
    assert_eq!(pages, 0, "calls of the allocator for 10,000 packets in pages");
    let gpu = Memfd::new("packet path", 4 << 20).unwrap();
    let whole = [Chunk { offset: 0, len: 4 << 20 }];
    let dmabuf = calls_of_half(|device| DmabufProvider::bind(device, gpu, &whole, 4096).unwrap().into(), 20_000);
    assert_eq!(dmabuf, 0, "calls of the allocator for 10,000 packets in device memory");
}
