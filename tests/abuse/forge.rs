//! Making memory, handles and addresses out of nothing. Rules C4 and O5.

use super::rig::{FRAMES, Host};
use netmem::dma::{DmaMapping, DmaSlice, RxDescriptor};
use netmem::mm::{PAGE_SIZE, Zone, get_page, page_address};
use netmem::page_pool::{PagePoolParams, PoolId, ProviderError, Received, Refill, Shutdown};
use netmem::skb::{MmFrag, Skb, SkbFrag};
use netmem::{
    DmaAddr, Frag, FreeIov, FreePage, MemoryProvider, NetIov, NetIovArea, Netmem, NetmemDesc, NetmemRef, Page,
    PagePool, PageRef, Shares,
};
use netmem_consumers::devmem::{DmabufToken, Sock};
use netmem_sim::dma::{DmaBus, Iommu};
use netmem_sim::kit::{Vram, net_iovs};
use static_assertions::assert_not_impl_any;
use std::ptr::without_provenance;
use std::sync::{Arc, Mutex};
use zerocopy::{FromBytes, FromZeros, IntoBytes, TryFromBytes};

/// Attempt: `Default`, `Clone`, an integer, or zerocopy from zeros or bytes. Holds: none of these types has it.
macro_rules! unforgeable {
    ($($ty:ty),* $(,)?) => { $(
        assert_not_impl_any!($ty: Default, Clone, From<usize>, From<u64>, From<*const ()>, FromZeros, TryFromBytes, IntoBytes);
        assert_not_impl_any!(Option<$ty>: FromZeros, TryFromBytes, IntoBytes);
        assert_not_impl_any!([$ty; 1]: FromZeros, TryFromBytes, IntoBytes);
    )* };
}
unforgeable!(
    Page,
    NetIov,
    NetmemDesc,
    NetIovArea,
    Netmem,
    Netmem<Page>,
    Netmem<NetIov>,
    Frag,
    Frag<Page>,
    Frag<NetIov>,
    Shares,
    Received,
    FreePage,
    FreeIov,
    PageRef,
    MmFrag,
    SkbFrag,
    DmaMapping,
    RxDescriptor,
    PagePool,
    Shutdown,
);
// These are `Copy`: numbers that name something. Whoever has one was given it.
assert_not_impl_any!(DmaAddr: Default, From<usize>, From<u64>, FromZeros, TryFromBytes, IntoBytes);
assert_not_impl_any!(DmaSlice: Default, From<(DmaAddr, u32)>, FromZeros, TryFromBytes, IntoBytes);
assert_not_impl_any!(PoolId: Default, From<usize>, FromZeros, TryFromBytes, IntoBytes);
assert_not_impl_any!(NetmemRef<'static>: Default, From<usize>, FromZeros, TryFromBytes, IntoBytes);
assert_not_impl_any!(Refill<'static, Page>: Default, Clone);

/// Attempt: tokens made from any bytes, which zerocopy allows for what user space writes.
/// Holds: they are numbers, looked up, and name nothing that was not given out.
#[test]
fn what_zerocopy_makes_from_bytes_names_nothing() {
    let host = Host::new();
    let mut pool = host.iov_pool(&host.dmabuf(4));
    let mut skb = Skb::new();
    skb.add_rx_frag(pool.alloc_frag(4096).unwrap(), 4096).unwrap();
    let mut sock = Sock::new();
    sock.queue(skb).unwrap();
    for fill in [0, 1, 0x7f, 0x80, 0xff] {
        let token = DmabufToken::read_from_bytes(&[fill; 8]).unwrap();
        assert_eq!(sock.dontneed(token.as_bytes()).unwrap(), 0, "{token:?}");
    }
    assert_eq!(pool.in_use(), 1);
    drop((pool, sock));
    host.all_back();
}

/// Attempt: every way from a handle to a raw pointer, and any address back to memory. Holds: a pointer is nothing that safe code
/// follows, and an address gives a reference of mm's, without bytes, or nothing.
#[test]
fn pointers_and_addresses_lead_to_no_bytes() {
    let host = Host::new();
    let mut pool = host.pool();
    let memory = pool.alloc().unwrap();
    let (word, page) = (memory.borrow().as_raw(), memory.borrow().page());
    let (address, here) = (page_address(page).as_ptr().cast_const(), std::ptr::from_ref(page));
    assert_eq!((word.as_ptr().addr(), host.zone.frames()), (here.addr(), FRAMES));
    let found: Vec<PageRef> = [address, address.wrapping_add(4095)]
        .map(|address| host.zone.virt_to_page(address).expect("the page is allocated"))
        .into();
    assert!(found.iter().all(|found| std::ptr::eq(&**found, here)));
    let beside = address.wrapping_sub(address.addr() % PAGE_SIZE);
    for forged in [0, 1, usize::MAX, here.addr(), word.as_ptr().addr(), beside.addr().wrapping_sub(FRAMES * PAGE_SIZE)]
    {
        assert!(host.zone.virt_to_page(without_provenance(forged)).is_none(), "{forged:#x}");
    }
    // While a reference is out that nobody asked the pool for, the handle gives no bytes, and the page leaves the pool.
    let mut memory = memory.into_frag().expect_err("mm counts three");
    assert!(memory.bytes_mut().is_none());
    pool.recycle_direct(memory);
    assert_eq!(pool.stats().recycle_released_refcnt, 1);
    drop(pool);
    assert_eq!(host.zone.free_frames(), FRAMES - 1);
    assert!(found[0].desc().pp().is_none() && !found[0].desc().is_pp(), "it is no pool's any more");
    drop(found);
    assert!(host.zone.virt_to_page(address).is_none(), "it is free");
    host.all_back();
}

/// Attempt: all addresses around a block, while it is allocated, split and freed by another thread. Holds: what is found is a head
/// that is allocated, and every frame is free at the end.
#[test]
fn guessing_addresses_while_blocks_come_and_go() {
    let zone = Zone::new(16).unwrap();
    let start = page_address(zone.alloc(4).unwrap().page()).as_ptr().addr();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..400 {
                let Some(block) = zone.alloc(round % 5) else { continue };
                match block.split(0) {
                    Ok(pages) => drop(pages.collect::<Vec<_>>()),
                    Err(block) => drop(block), // somebody guessed it
                }
            }
        });
        for round in 0..4000 {
            if let Some(page) = zone.virt_to_page(without_provenance(start + round % 16 * PAGE_SIZE)) {
                let again = get_page(&page);
                assert!(std::ptr::eq(&*again, &*page));
            }
        }
    });
    assert_eq!(zone.free_frames(), 16);
    assert!(zone.alloc(4).is_some(), "all blocks have become one again");
}

/// Attempt: net_iovs of an area that was mapped for another device, and pages of the wrong order, pushed into a pool. Holds: each
/// is refused and comes back.
#[test]
fn an_area_for_another_device_is_refused() {
    struct Wrong(Mutex<Vec<FreeIov>>);
    impl MemoryProvider for Wrong {
        type Kind = NetIov;
        fn init(&self, _params: &PagePoolParams) -> Result<u32, ProviderError> {
            Ok(PAGE_SIZE as u32)
        }
        fn alloc(&self, out: &mut Refill<'_, NetIov>) {
            let mut iovs = self.0.lock().unwrap();
            let offered = std::mem::take(&mut *iovs);
            iovs.extend(offered.into_iter().filter_map(|iov| out.push(iov).err()));
            assert_eq!((out.pushed(), out.refused()), (0, iovs.len()));
        }
        fn release(&self, _iov: FreeIov) {
            unreachable!("none was taken");
        }
    }
    let (host, other) = (Host::new(), Arc::new(Iommu::new()));
    let wrong =
        Arc::new(Wrong(Mutex::new(net_iovs(other.clone().driver_side(), Arc::new(Vram(8 * PAGE_SIZE)), PAGE_SIZE))));
    let mut pool = PagePool::<NetIov>::new(host.params(), wrong.clone()).unwrap();
    assert!(pool.alloc().is_none() && pool.alloc_frag(64).is_none());
    assert_eq!((pool.inflight(), wrong.0.lock().unwrap().len(), other.stats().mapped()), (0, 8, 1));
    drop((pool, wrong));
    assert_eq!(other.stats().mapped(), 0);
    host.all_back();
}

/// Attempt: memory of a device whose length changes, ends before it begins, or is more than an address space. Holds: the
/// mapping is what it was when it was made, or is refused; nothing stays mapped.
#[test]
fn peer_memory_that_lies_about_its_length() {
    use netmem::dma::{MapError, PeerError, PeerMemory};
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    struct Liar(AtomicUsize);
    impl PeerMemory for Liar {
        fn len(&self) -> usize {
            self.0.fetch_add(PAGE_SIZE, Relaxed)
        }
        fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), PeerError> {
            Err(PeerError { offset, len: bytes.len() })
        }
    }
    let host = Host::new();
    let liar = Arc::new(Liar(AtomicUsize::new(PAGE_SIZE)));
    let refused = DmaMapping::new(host.device(), liar.clone(), usize::MAX - 4095, 4096).unwrap_err();
    assert!(matches!(refused, MapError::Range { .. }));
    let iovs = NetIovArea::carve(
        DmaMapping::new(host.device(), liar.clone(), 0, PAGE_SIZE).unwrap(),
        PAGE_SIZE,
        netmem::NetIovType::DmaBuf,
        usize::MAX - PAGE_SIZE,
    )
    .unwrap();
    assert_eq!((iovs.len(), iovs[0].net_iov().area().num_niovs()), (1, 1));
    drop(iovs);
    for base in [usize::MAX, usize::MAX - PAGE_SIZE + 1] {
        let mapping = DmaMapping::new(host.device(), liar.clone(), 0, PAGE_SIZE).unwrap();
        assert!(NetIovArea::carve(mapping, PAGE_SIZE, netmem::NetIovType::IoUring, base).is_err());
    }
    host.all_back();
}
