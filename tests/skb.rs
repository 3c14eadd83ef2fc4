//! skbs over every kind of memory: what can be read, what is joined, and that dropping one returns all of it. Rules D4
//! and S1.

use netmem::mm::Zone;
use netmem::netdev::{Napi, RxMemory};
use netmem::page_pool::{AnyProvider, Chunk, PagePool, PagePoolParams};
use netmem::provider::{DmabufProvider, PageProvider};
use netmem::skb::checksum::{Checksum, ip_checksum};
use netmem::skb::{MAX_SKB_FRAGS, MmFrag, ReadError, Skb, eth_get_headlen};
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
    skb.add_rx_frag(host(&mut pools.host, b"pool"), 2048).unwrap();
    skb.add_mm_frag(mm(&pools.zone, b"mm's")).unwrap();
    skb.add_rx_frag(host(&mut pools.host, b"pool"), 2048).unwrap();
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
    skb.add_rx_frag(first, 2048).unwrap();
    skb.add_rx_frag(second, 2048).unwrap();
    assert_eq!((skb.nr_frags(), skb.data_len()), (1, 4096));
    skb.add_rx_frag(third, 2048).unwrap();
    assert_eq!(skb.nr_frags(), 2);
    let references: Vec<_> = skb.frags().map(|frag| frag.borrow().pp_ref_count()).collect();
    assert_eq!(references[0], 1, "a frag that was joined has dropped its reference");
    // The same two pieces the other way round do not touch.
    let mut tail = pools.host.alloc_frag(4096).unwrap();
    let head = tail.split_off(1000).map(|rest| std::mem::replace(&mut tail, rest)).unwrap();
    let mut skb = Skb::new();
    skb.add_rx_frag(tail, 2048).unwrap();
    skb.add_rx_frag(head, 2048).unwrap();
    assert_eq!(skb.nr_frags(), 2);
}

#[test]
fn the_eighteenth_frag_comes_back() {
    let mut pools = pools();
    let mut skb = Skb::new();
    for _ in 0..MAX_SKB_FRAGS {
        // Lengths that leave a gap between them, so that none is joined.
        skb.add_rx_frag(pools.host.alloc_frag(100).unwrap(), 100).unwrap();
    }
    let full = skb.add_rx_frag(pools.host.alloc_frag(33).unwrap(), 33).unwrap_err();
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
    skb.add_rx_frag(pools.device.alloc_frag(1000).unwrap(), 1000).unwrap();
    skb.add_rx_frag(host(&mut pools.host, b"trailer."), 2048).unwrap();
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
        skb.add_rx_frag(memory.payload_mut().alloc().unwrap().into_frag().unwrap(), 4096).unwrap();
        skb.add_rx_frag(extra.into_frag().unwrap(), 4096).unwrap();
        poll.recycle(skb);
    });
    let memory = napi.memory(0).unwrap();
    assert_eq!((memory.payload().stats().recycle_cached, memory.payload().stats().recycle_ring), (1, 0));
    let headers = memory.headers().unwrap().stats();
    assert_eq!((headers.recycle_cached, headers.recycle_ring), (2, 0));
}

/// RFC 1071 as written: one word after the other.
fn slow(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn noise(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn example_of_rfc_1071() {
    assert_eq!(ip_checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
}

#[test]
fn like_the_slow_one_at_every_length() {
    let bytes = noise(300);
    for len in 0..bytes.len() {
        assert_eq!(ip_checksum(&bytes[..len]), slow(&bytes[..len]), "{len} bytes");
    }
    for len in [0, 1, 2, 31, 64, 65_535] {
        assert_eq!(ip_checksum(&vec![0xff; len]), slow(&vec![0xff; len]), "{len} bytes of 0xff");
    }
}

#[test]
fn pieces_add_up() {
    let bytes = noise(131);
    let whole = ip_checksum(&bytes);
    for first in 0..bytes.len() {
        for second in first..bytes.len() {
            let mut sum = Checksum::new();
            sum.add(&bytes[..first]);
            sum.add(&bytes[first..second]);
            sum.add(&bytes[second..]);
            assert_eq!(sum.finish(), whole, "pieces end at {first} and {second}");
        }
    }
}

#[test]
fn headers_end_where_the_understanding_does() {
    let mut udp = [0_u8; 100];
    udp[12..14].copy_from_slice(&[0x08, 0x00]);
    (udp[14], udp[23]) = (0x45, 17);
    assert_eq!(eth_get_headlen(&udp, 256), 42);
    assert_eq!(eth_get_headlen(&udp, 40), 40);
    assert_eq!(eth_get_headlen(&udp[..30], 256), 30);
    // With options, and as a fragment that is not the first.
    udp[14] = 0x4f;
    assert_eq!(eth_get_headlen(&udp, 256), 82);
    udp[21] = 1;
    assert_eq!(eth_get_headlen(&udp, 256), 74);
    udp[14] = 0x41;
    assert_eq!(eth_get_headlen(&udp, 256), 14, "an IPv4 header has 20 bytes");
    let mut tcp = [0_u8; 100];
    tcp[12..14].copy_from_slice(&[0x81, 0x00]);
    tcp[16..18].copy_from_slice(&[0x86, 0xdd]);
    (tcp[18], tcp[24], tcp[70]) = (0x60, 6, 0x80);
    assert_eq!(eth_get_headlen(&tcp, 256), 18 + 40 + 32);
    assert_eq!(eth_get_headlen(&[], 256), 0);
    assert_eq!(eth_get_headlen(&[0xff; 20], 256), 14);
}
