//! skbs over every kind of memory: what can be read, what is joined, and that dropping one returns all of it. Rules D4
//! and S1.

use netmem::mm::Zone;
use netmem::netdev::{Napi, RxMemory};
use netmem::page_pool::{AnyProvider, Chunk, PagePool, PagePoolParams};
use netmem::provider::{DmabufProvider, PageProvider};
use netmem::skb::{MAX_SKB_FRAGS, MmFrag, ReadError, Skb};
use netmem::{Frag, Page};
use netmem_sim::Memfd;
use netmem_sim::dma::{Coherent, DmaBus};
use std::sync::Arc;

struct Pools {
    zone: Zone,
    host: PagePool<Page>,
    device: PagePool,
    dmabuf: Arc<DmabufProvider>,
}

fn pools() -> Pools {
    let zone = Zone::new(256).unwrap();
    let bus = Arc::new(Coherent::new()).driver_side();
    let host = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(zone.clone())).unwrap();
    let gpu = Memfd::new("gpu", 64 << 12).unwrap();
    let dmabuf = DmabufProvider::bind(bus.clone(), gpu, &[Chunk { offset: 0, len: 64 << 12 }], 4096).unwrap();
    let device = PagePool::new(PagePoolParams::for_device(bus, 4096), AnyProvider::from(dmabuf.clone())).unwrap();
    Pools { zone, host, device, dmabuf }
}

/// A frag of host memory with this in it.
fn host(pool: &mut PagePool<Page>, bytes: &[u8]) -> Frag<Page> {
    let mut frag = pool.alloc_frag(bytes.len() as u32).unwrap();
    frag.bytes_mut().copy_from_slice(bytes);
    frag
}

/// A range of a page of mm's with this in it, not at its start.
fn mm(zone: &Zone, bytes: &[u8]) -> MmFrag {
    let mut page = zone.alloc(0).unwrap();
    page.bytes_mut()[100..100 + bytes.len()].copy_from_slice(bytes);
    MmFrag::new(page, 100, bytes.len() as u32).unwrap()
}

#[test]
fn frags_of_a_pool_and_of_mm_are_mixed_and_all_come_back() {
    let mut pools = pools();
    let mut skb = Skb::copy_from(b"head").unwrap();
    skb.add_rx_frag(host(&mut pools.host, b"pool")).unwrap();
    skb.add_mm_frag(mm(&pools.zone, b"mm's")).unwrap();
    skb.add_rx_frag(host(&mut pools.host, b"pool")).unwrap();
    assert_eq!((skb.len(), skb.nr_frags(), skb.frags_readable()), (16, 3, true));
    let mut all = [0; 16];
    skb.copy_bits(0, &mut all).unwrap();
    assert_eq!(&all, b"headpoolmm'spool");
    let mut middle = [0; 6];
    skb.copy_bits(7, &mut middle).unwrap();
    assert_eq!(&middle, b"lmm'sp");
    (0..3).for_each(|frag| skb.edit_frag(frag, |frag| frag.bytes_mut().unwrap()[0] = b'X').unwrap());
    skb.linear_mut()[0] = b'X';
    skb.copy_bits(0, &mut all).unwrap();
    assert_eq!(&all, b"XeadXoolXm'sXool");
    drop(skb);
    assert_eq!(pools.host.in_use(), 0);
    drop(pools.host);
    assert_eq!(pools.zone.free_frames(), 256);
}

#[test]
fn a_range_beyond_its_page_is_handed_back() {
    let zone = Zone::new(2).unwrap();
    for (offset, len) in [(4096, 1), (4000, 97), (u32::MAX, 1), (1, u32::MAX)] {
        let page = MmFrag::new(zone.alloc(0).unwrap(), offset, len).map(drop).unwrap_err();
        drop(page);
    }
    assert!(MmFrag::new(zone.alloc(0).unwrap(), 4096, 0).is_ok(), "an empty range at the end is inside");
    assert_eq!(zone.free_frames(), 2);
}

#[test]
fn frags_that_touch_are_one_and_others_are_not() {
    let mut pools = pools();
    let mut first = pools.host.alloc_frag(4096).unwrap();
    let (second, third) = (first.split_off(1000).unwrap(), pools.host.alloc_frag(64).unwrap());
    let mut skb = Skb::new();
    skb.add_rx_frag(first).unwrap();
    skb.add_rx_frag(second).unwrap();
    assert_eq!((skb.nr_frags(), skb.data_len()), (1, 4096));
    skb.add_rx_frag(third).unwrap();
    assert_eq!(skb.nr_frags(), 2);
    let references: Vec<_> = skb.frags().map(|frag| frag.borrow().pp_ref_count()).collect();
    assert_eq!(references[0], 1, "a frag that was joined has dropped its reference");
    // The same two pieces the other way round do not touch.
    let mut tail = pools.host.alloc_frag(4096).unwrap();
    let head = tail.split_off(1000).map(|rest| std::mem::replace(&mut tail, rest)).unwrap();
    let mut skb = Skb::new();
    skb.add_rx_frag(tail).unwrap();
    skb.add_rx_frag(head).unwrap();
    assert_eq!(skb.nr_frags(), 2);
}

#[test]
fn the_eighteenth_frag_comes_back() {
    let mut pools = pools();
    let mut skb = Skb::new();
    for _ in 0..MAX_SKB_FRAGS {
        // Lengths that leave a gap between them, so that none is joined.
        skb.add_rx_frag(pools.host.alloc_frag(100).unwrap()).unwrap();
    }
    let full = skb.add_rx_frag(pools.host.alloc_frag(33).unwrap()).unwrap_err();
    assert!(full.to_string().contains("33 more bytes"), "{full}");
    assert!(skb.add_mm_frag(mm(&pools.zone, b"x")).is_err());
    assert_eq!((skb.nr_frags(), skb.len()), (17, 1700));
    drop((skb, full));
    assert_eq!(pools.host.in_use(), 0);
}

#[test]
fn d4_what_is_readable_is_asked_per_range() {
    let mut pools = pools();
    let mut skb = Skb::build(host(&mut pools.host, b"headers."));
    skb.add_rx_frag(pools.device.alloc_frag(1000).unwrap()).unwrap();
    skb.add_rx_frag(host(&mut pools.host, b"trailer.")).unwrap();
    assert!(!skb.frags_readable());
    let unreadable = Err(ReadError::Unreadable { frag: 0, start: 8, end: 1008 });
    for (offset, len, want) in [
        (0, 8, Ok(())),
        (8, 0, Ok(())),
        (1008, 8, Ok(())),
        (7, 2, unreadable),
        (500, 1, unreadable),
        (1007, 1, unreadable),
        (0, 1016, unreadable),
    ] {
        assert_eq!(skb.copy_bits(offset, &mut vec![0; len]), want, "{len} bytes at {offset}");
        assert_eq!(skb.checksum(offset, len).map(drop), want, "{len} bytes at {offset}");
    }
    for (offset, len) in [(1016, 1), (2000, 0), (usize::MAX, 3)] {
        assert!(matches!(skb.copy_bits(offset, &mut vec![0; len]), Err(ReadError::Range { len: 1016, .. })));
    }
    skb.linear_mut().fill(b'w');
    assert_eq!(skb.linear(), b"wwwwwwww");
    let pages: Vec<_> = skb.frags().map(|frag| frag.page().is_some()).collect();
    assert_eq!(pages, [false, true]);
    std::thread::spawn(move || drop(skb)).join().unwrap();
    assert_eq!((pools.host.in_use(), pools.device.in_use()), (0, 0));
    drop(pools.device);
    assert_eq!(pools.dmabuf.available(), pools.dmabuf.total());
}

#[test]
fn a_poll_recycles_into_any_of_its_pools() {
    let pools = pools();
    let mut napi = Napi::new(vec![RxMemory::new(pools.device, Some(pools.host))]);
    napi.poll(1, |poll| {
        let memory = poll.memory(0).unwrap();
        let headers = memory.headers_mut().unwrap();
        let (head, extra) = (headers.alloc().unwrap(), headers.alloc().unwrap());
        let mut skb = Skb::build(head.into_frag().unwrap());
        skb.add_rx_frag(memory.payload_mut().alloc().unwrap().into_frag().unwrap()).unwrap();
        skb.add_rx_frag(extra.into_frag().unwrap()).unwrap();
        poll.recycle(skb);
    });
    let memory = napi.memory(0).unwrap();
    assert_eq!((memory.payload().stats().recycle_cached, memory.payload().stats().recycle_ring), (1, 0));
    let headers = memory.headers().unwrap().stats();
    assert_eq!((headers.recycle_cached, headers.recycle_ring), (2, 0));
}
