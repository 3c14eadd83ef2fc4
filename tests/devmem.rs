//! Device memory as user space receives it: what a reader is told, what tokens do, and that nothing is lost on the way.
//! Rules C4, S1 and S4 where they are checked at run time. The numbers are worked out by hand from Linux 7.3's tcp.c and
//! sock.c.

use netmem::dma::{DmaDevice, DmaMapping};
use netmem::mm::Zone;
use netmem::page_pool::{AnyProvider, Chunk, MemoryProvider, PagePool, PagePoolParams};
use netmem::provider::{DmabufProvider, PageProvider};
use netmem::skb::{MmFrag, ReadError, Skb};
use netmem::{Frag, NetIov, NetIovArea, NetIovType, Page};
use netmem_consumers::PieceError;
use netmem_consumers::devmem::{
    CMSG_SPACE, Control, ControlError, DevmemCmsg, DevmemPart, DevmemPiece, DevmemUser, DmabufCmsg, DmabufToken,
    DontneedError, MAX_DONTNEED_FRAGS, MAX_TOKENS, Messages, RecvError, Sock, TokenError,
};
use netmem_consumers::zcrx::{UserArea, Zcrx, ZcrxParams};
use netmem_drivers::{Driver, Polled, QueueConfig};
use netmem_sim::Memfd;
use netmem_sim::dma::{Coherent, DmaBus, Iommu};
use netmem_sim::kit::{self, Frames, Gpu, Iovs, Polling, Rng, udp};
use netmem_sim::nic::NicParams;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use zerocopy::IntoBytes;

/// The system's allocator, which refuses while a thread asks it to.
struct Refusing;

thread_local! {
    static REFUSE: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: it hands on what it is asked, or gives null, which every caller must expect.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if REFUSE.get() {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

/// Runs `f` without memory for it.
fn without_memory<R>(f: impl FnOnce() -> R) -> R {
    REFUSE.set(true);
    let result = f();
    REFUSE.set(false);
    result
}

/// A socket's worth of memory: a host pool, and a dma-buf of 64 net_iovs with its pool.
struct Rig {
    zone: Zone,
    host: PagePool<Page>,
    device: PagePool,
    dmabuf: Arc<DmabufProvider>,
}

impl Rig {
    /// The dma-buf in two chunks with a gap between them. The pool's cache is last in, first out: what is allocated first
    /// is the last net_iov of the second chunk.
    fn new() -> Self {
        let zone = Zone::new(64).unwrap();
        let bus = Arc::new(Coherent::new()).driver_side();
        let host = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(zone.clone())).unwrap();
        let chunks = [0, 64 << 12].map(|offset| Chunk { offset, len: 32 << 12 });
        let dmabuf = Gpu::of_chunks(bus.clone(), &chunks, 4096).dmabuf;
        let device = PagePool::new(PagePoolParams::for_device(bus, 4096), AnyProvider::from(dmabuf.clone())).unwrap();
        Rig { zone, host, device, dmabuf }
    }

    /// `len` bytes of a net_iov of their own, from its start.
    fn iov(&mut self, len: u32) -> Frag {
        let iov = self.device.alloc().expect("64 net_iovs are enough for a test");
        let mut frag = iov.into_frag().expect("it was just allocated");
        frag.truncate(len);
        frag
    }

    fn page(&mut self, bytes: &[u8]) -> Frag<Page> {
        let mut frag = self.host.alloc_frag(bytes.len() as u32).unwrap();
        frag.bytes_mut().copy_from_slice(bytes);
        frag
    }

    /// A packet of linear bytes and frags in device memory.
    fn packet(&mut self, linear: &[u8], frags: &[u32]) -> Skb {
        let mut skb = Skb::copy_from(linear).unwrap();
        for &len in frags {
            skb.add_rx_frag(self.iov(len), 2048).unwrap();
        }
        skb
    }

    /// A socket with that packet, and where its frags are in the dma-buf.
    fn sock(&mut self, linear: &[u8], frags: &[u32]) -> (Sock, Vec<u64>) {
        let skb = self.packet(linear, frags);
        let offsets = offsets(&skb);
        let mut sock = Sock::new();
        sock.queue(skb).unwrap();
        (sock, offsets)
    }

    /// Everything that was handed out has come back, and nothing came back twice.
    fn assert_clean(self) {
        assert_eq!((self.host.in_use(), self.device.in_use()), (0, 0));
        drop((self.host, self.device));
        assert_eq!((self.zone.free_frames(), self.dmabuf.available()), (64, 64));
    }
}

/// Where the frags of a packet are, read off the descriptors.
fn offsets(skb: &Skb) -> Vec<u64> {
    let frags = skb.frags().map(|frag| {
        let netmem = frag.borrow();
        let iov = netmem.backing().net_iov().expect("device memory");
        (iov.area().base_virtual() + iov.index() * 4096) as u64 + u64::from(frag.offset())
    });
    frags.collect()
}

/// A read with room for that many messages: bytes read, or why not, and what was told.
fn read(sock: &mut Sock, len: usize, messages: usize) -> (Result<usize, RecvError>, Vec<u8>, Vec<DevmemCmsg>) {
    let mut buffer = vec![0xa5; len];
    let mut space = vec![0; messages * CMSG_SPACE];
    let mut control = Control::new(&mut space);
    let got = sock.recv_devmem(&mut buffer, &mut control);
    let told: Vec<_> = control.messages().collect();
    (got, buffer, told)
}

fn linear(frag_size: u32) -> DevmemCmsg {
    DevmemCmsg::Linear(DmabufCmsg { frag_size, ..DmabufCmsg::default() })
}

fn tokens(ranges: &[(u32, u32)]) -> Vec<DmabufToken> {
    ranges.iter().map(|&(token_start, token_count)| DmabufToken { token_start, token_count }).collect()
}

/// How many frags those ranges returned.
fn dontneed(sock: &mut Sock, ranges: &[(u32, u32)]) -> Result<usize, DontneedError> {
    sock.dontneed(tokens(ranges).as_bytes())
}

#[test]
fn who_did_not_ask_gets_an_error_and_no_bytes() {
    let mut rig = Rig::new();
    let mut sock = Sock::new();
    sock.queue(Skb::copy_from(b"plain").unwrap()).unwrap();
    sock.queue(rig.packet(b"head", &[1000])).unwrap();
    let mut buffer = [0xa5; 64];
    // What can be read comes first, and alone; the error then comes alone, too, as often as it is asked for.
    assert_eq!(sock.recv(&mut buffer), Ok(5));
    assert_eq!(&buffer[..6], b"plain\xa5");
    buffer.fill(0xa5);
    let unreadable = RecvError::Unreadable(ReadError::Unreadable { frag: 0, start: 4, end: 1004 });
    for len in [64, 4, 1, 0, 64] {
        assert_eq!(sock.recv(&mut buffer[..len]), Err(unreadable));
        assert_eq!(buffer, [0xa5; 64], "a reader that gets an error gets no bytes");
        assert_eq!((sock.queued(), sock.tokens_out()), (1004, 0), "the packet stays, and no token is out");
    }
    // One that asks gets all of it.
    let (got, buffer, told) = read(&mut sock, 2000, 8);
    assert_eq!((got, told.len()), (Ok(1004), 2));
    assert_eq!(&buffer[..5], b"head\xa5", "device memory is told, not copied");
    assert_eq!(sock.recv(&mut [0; 8]), Err(RecvError::Empty));
    drop(sock);
    rig.assert_clean();
}

#[test]
fn readable_packets_have_no_messages_and_one_read_has_one_kind() {
    let mut rig = Rig::new();
    let mut sock = Sock::new();
    for part in [&b"one "[..], b"two "] {
        let mut skb = Skb::copy_from(part).unwrap();
        skb.add_rx_frag(rig.page(b"page"), 2048).unwrap();
        sock.queue(skb).unwrap();
    }
    for linear in [&b"three"[..], b"four"] {
        sock.queue(rig.packet(linear, &[10])).unwrap();
    }
    sock.queue(Skb::copy_from(b"five").unwrap()).unwrap();
    assert_eq!(sock.queued(), 8 + 8 + 15 + 14 + 4);
    // It starts in the middle of a packet and ends where device memory begins.
    let (got, buffer, told) = read(&mut sock, 3, 0);
    assert_eq!((got, &buffer[..], told.len()), (Ok(3), &b"one"[..], 0));
    let (got, buffer, told) = read(&mut sock, 100, 8);
    assert_eq!((got, &buffer[..14], told.len()), (Ok(13), &b" pagetwo page\xa5"[..], 0));
    // Two packets in device memory: linear bytes of the second lie right behind those of the first.
    let (got, buffer, told) = read(&mut sock, 100, 8);
    assert_eq!((got, &buffer[..10]), (Ok(29), &b"threefour\xa5"[..]));
    assert!(matches!(
        told[..],
        [DevmemCmsg::Linear(a), DevmemCmsg::Dmabuf(b), DevmemCmsg::Linear(c), DevmemCmsg::Dmabuf(d)]
            if (a.frag_size, b.frag_size, c.frag_size, d.frag_size) == (5, 10, 4, 10)
    ));
    let (got, buffer, told) = read(&mut sock, 100, 8);
    assert_eq!((got, &buffer[..5], told.len()), (Ok(4), &b"five\xa5"[..], 0));
    assert_eq!(read(&mut sock, 0, 8).0, Err(RecvError::Empty));
    drop(sock);
    rig.assert_clean();
}

/// Linear 10, frags of 3000 and 500: read in pieces that end inside each of them.
#[test]
fn offsets_lengths_and_tokens_by_hand() {
    let mut rig = Rig::new();
    let (mut sock, at) = rig.sock(b"0123456789", &[3000, 500]);
    assert_eq!(at, [(64 + 31) * 4096, (64 + 30) * 4096]);
    let id = rig.dmabuf.id();
    let frag = |frag_offset, frag_size, frag_token| {
        DevmemCmsg::Dmabuf(DmabufCmsg { frag_offset, frag_size, frag_token, dmabuf_id: id, flags: 0 })
    };
    assert_eq!(read(&mut sock, 7, 8).2, [linear(7)]);
    // 3 linear, 1 of the device's, which begins where the frag does.
    let (got, buffer, told) = read(&mut sock, 4, 8);
    assert_eq!((got, &buffer[..], &told[..]), (Ok(4), &b"789\xa5"[..], &[linear(3), frag(389_120, 1, 1)][..]));
    // 2999 are left of the first frag: it is split, so each piece has its own token.
    assert_eq!(read(&mut sock, 1000, 8).2, [frag(389_121, 1000, 2)]);
    // The first token comes back while the others are out, and is the lowest that is free.
    assert_eq!(dontneed(&mut sock, &[(1, 1)]), Ok(1));
    assert_eq!(read(&mut sock, 2000, 8).2, [frag(390_121, 1999, 1), frag(385_024, 1, 3)]);
    assert_eq!((sock.queued(), sock.tokens_out()), (499, 3));
    assert_eq!(read(&mut sock, 5000, 8).2, [frag(385_025, 499, 4)]);
    // Two net_iovs are out, in four pieces; each goes home with its last one.
    assert_eq!(rig.device.in_use(), 2);
    assert_eq!(dontneed(&mut sock, &[(1, 1)]), Ok(1));
    assert_eq!(rig.device.in_use(), 2, "token 2 keeps bytes 1 to 1000 of the first");
    assert_eq!(dontneed(&mut sock, &[(2, 1)]), Ok(1));
    assert_eq!(rig.device.in_use(), 1);
    assert_eq!(dontneed(&mut sock, &[(3, 2)]), Ok(2));
    rig.assert_clean();
}

/// A frag that was told leaves its packet with nothing behind: what comes back is not kept by what is not read yet.
#[test]
fn a_packet_lets_go_of_what_was_read() {
    let mut rig = Rig::new();
    let (mut sock, _) = rig.sock(b"", &[100, 200]);
    assert_eq!(read(&mut sock, 100, 1).0, Ok(100));
    assert_eq!((dontneed(&mut sock, &[(1, 1)]), rig.device.in_use()), (Ok(1), 1));
    drop(sock);
    rig.assert_clean();
}

/// The bytes of the control buffer as a C program sees them.
#[test]
fn control_messages_to_the_byte() {
    let mut rig = Rig::new();
    let (mut sock, at) = rig.sock(b"ab", &[0x123]);
    let mut space = [0xee; 100];
    let mut control = Control::new(&mut space);
    assert_eq!(sock.recv_devmem(&mut [0; 4096], &mut control), Ok(2 + 0x123));
    assert_eq!((control.left(), control.as_bytes().len()), (20, 80));
    let u32 = u32::to_ne_bytes;
    // cmsg_len 40, cmsg_level SOL_SOCKET 1, cmsg_type SCM_DEVMEM_LINEAR 78 or SCM_DEVMEM_DMABUF 79.
    let head = |kind| [&40u64.to_ne_bytes()[..], &u32(1), &u32(kind)].concat();
    let first = [&0u64.to_ne_bytes()[..], &u32(2), &u32(0), &u32(0), &u32(0)].concat();
    let second = [&at[0].to_ne_bytes()[..], &u32(0x123), &u32(1), &u32(rig.dmabuf.id()), &u32(0)].concat();
    assert_eq!(control.as_bytes(), [head(78), first, head(79), second].concat());
    assert_eq!(space[80..], [0xee; 20], "what was not written is as it was");
    drop(sock);
    rig.assert_clean();
}

#[test]
fn any_bytes_are_parsed_as_control_messages() {
    let message = |len: u64, level: i32, kind: i32, payload: &[u8]| {
        [len.as_bytes(), level.as_bytes(), kind.as_bytes(), payload].concat()
    };
    let good = message(40, 1, 78, linear(7).payload().as_bytes());
    let count = |bytes: &[&[u8]]| Messages::new(&bytes.concat()).count();
    assert_eq!(count(&[&good, &good]), 2);
    // Of another level or kind, with its padding: skipped.
    assert_eq!(count(&[&message(20, 1, 29, &[0; 8]), &good]), 1);
    assert_eq!(count(&[&message(40, 0, 78, &[0; 24]), &good]), 1);
    // Cut short by whoever wrote it: not believed.
    assert_eq!(count(&[&message(32, 1, 78, &[0; 16]), &good]), 1);
    assert_eq!(count(&[&good, &good[..39]]), 1);
    // A length that leads nowhere ends it.
    for len in [0, 1, 15, 41, 1 << 40, u64::MAX - 3, u64::MAX] {
        assert_eq!(count(&[&good, &message(len, 1, 78, &[0; 24])]), 1, "cmsg_len {len}");
    }
    assert_eq!(count(&[&message(16, 1, 78, &[]), &good]), 1, "no payload at all");
}

trait Payload {
    fn payload(self) -> DmabufCmsg;
}

impl Payload for DevmemCmsg {
    fn payload(self) -> DmabufCmsg {
        match self {
            DevmemCmsg::Linear(payload) | DevmemCmsg::Dmabuf(payload) => payload,
        }
    }
}

/// 18912c520674: a control message is whole or not there, and what it would have told is told by the next read.
#[test]
fn a_control_buffer_that_is_too_small_loses_nothing() {
    let mut rig = Rig::new();
    for space in 0..=4 * CMSG_SPACE + 8 {
        let (mut sock, at) = rig.sock(b"head", &[100, 200, 300]);
        let mut bytes = vec![0xee; space];
        let mut control = Control::new(&mut bytes);
        let mut buffer = [0xa5; 1000];
        let got = sock.recv_devmem(&mut buffer, &mut control);
        // 0 to 39 bytes: nothing. Then linear, and a frag for each 40 more.
        let fit = space / 40;
        if fit == 0 {
            assert_eq!(got, Err(RecvError::Control(ControlError { left: space })));
            assert_eq!(buffer, [0xa5; 1000]);
        } else {
            assert_eq!(got, Ok([4, 104, 304, 604, 604][fit.min(4) - 1]), "{space} bytes");
        }
        assert_eq!(control.left(), space - 40 * fit.min(4));
        assert_eq!(sock.tokens_out(), fit.saturating_sub(1).min(3), "no token is out that nobody was told");
        // The rest, with room: what follows where the first read ended.
        let rest = read(&mut sock, 1000, 8);
        let first = Messages::new(&bytes).collect::<Vec<_>>();
        let all: Vec<_> = first.into_iter().chain(rest.2).map(Payload::payload).collect();
        let told: Vec<_> = all.iter().map(|told| (told.frag_offset, told.frag_size, told.frag_token)).collect();
        assert_eq!(told, [(0, 4, 0), (at[0], 100, 1), (at[1], 200, 2), (at[2], 300, 3)], "{space} bytes");
        assert_eq!(dontneed(&mut sock, &[(1, 3)]), Ok(3));
    }
    rig.assert_clean();
}

/// Linux: net_err_ratelimited("Found non-dmabuf skb with net_iov") and ENODEV, after what could be told was.
#[test]
fn a_frag_in_host_memory_among_those_of_the_device_is_enodev() {
    let mut rig = Rig::new();
    let mut page = rig.zone.alloc(0).unwrap();
    page.bytes_mut().fill(0x11);
    for mm in [Some(page), None] {
        let len = if mm.is_some() { 5 } else { 4 };
        let mut skb = rig.packet(b"head", &[100]);
        match mm {
            Some(page) => skb.add_mm_frag(MmFrag::new(page, 7, 5).unwrap()).unwrap(),
            None => skb.add_rx_frag(rig.page(b"page"), 2048).unwrap(),
        }
        skb.add_rx_frag(rig.iov(50), 2048).unwrap();
        let mut sock = Sock::new();
        sock.queue(skb).unwrap();
        assert_eq!(read(&mut sock, 1000, 8).0, Ok(104), "up to there it is told");
        for _ in 0..2 {
            let (got, buffer, told) = read(&mut sock, 1000, 8);
            assert_eq!((got, told.len()), (Err(RecvError::HostFrag { len }), 0));
            assert_eq!(buffer, [0xa5; 1000]);
        }
        // What was told has not made the packet one that can be read.
        assert_eq!(
            sock.recv(&mut [0; 8]),
            Err(RecvError::Unreadable(ReadError::Unreadable { frag: 0, start: 4, end: 104 }))
        );
        // The way out, as in Linux, is to throw it away: here in two steps, and the rest can be read again.
        assert_eq!((sock.discard(2), sock.discard(len as usize - 2)), (2, len as usize - 2));
        let (got, _, told) = read(&mut sock, 1000, 8);
        assert_eq!((got, told.len()), (Ok(50), 1));
        assert_eq!(dontneed(&mut sock, &[(1, 2)]), Ok(2));
    }
    rig.assert_clean();
}

#[test]
fn memory_of_io_uring_is_refused() {
    let device: Arc<dyn DmaDevice> = Arc::new(Coherent::new()).driver_side();
    let memory = Memfd::new("user", 4 << 12).unwrap();
    let mapping = DmaMapping::new(device.clone(), memory, 0, 4 << 12).unwrap();
    let free = NetIovArea::carve(mapping, 4096, NetIovType::IoUring, 0).unwrap();
    // A provider of io_uring's net_iovs, without io_uring.
    let provider = Iovs::with(free, true);
    let params = PagePoolParams::for_device(device, 4096);
    let mut pool = PagePool::<NetIov>::new(params, provider.clone() as Arc<dyn MemoryProvider<Kind = NetIov>>).unwrap();
    let mut skb = Skb::copy_from(b"head").unwrap();
    skb.add_rx_frag(pool.alloc_frag(100).unwrap(), 100).unwrap();
    let mut sock = Sock::new();
    sock.queue(skb).unwrap();
    // As a dma-buf's: the linear bytes are told, and the frag is what is refused.
    assert_eq!(read(&mut sock, 100, 8).0, Ok(4));
    let refused = RecvError::NotDmabuf { len: 100, ty: Some(NetIovType::IoUring) };
    assert_eq!(read(&mut sock, 100, 8).0, Err(refused));
    assert!(refused.to_string().contains("IoUring"), "{refused}");
    assert!(matches!(sock.recv(&mut [0; 8]), Err(RecvError::Unreadable(_))));
    assert_eq!((sock.tokens_out(), sock.queued()), (0, 100));
    assert_eq!(sock.discard(1000), 100);
    assert_eq!(pool.in_use(), 0);
    drop(pool);
    assert_eq!(provider.free(), 4);
}

/// Frags out of nothing but net_iovs, read one by one, so that token i is the i-th.
fn with_tokens(rig: &mut Rig, count: u32) -> Sock {
    let mut sock = Sock::new();
    let per = 16;
    let packets = count.div_ceil(per);
    for i in 0..packets {
        let here = per.min(count - i * per);
        // 64 bytes a token, each read alone, of one net_iov a packet.
        let mut skb = Skb::new();
        skb.add_rx_frag(rig.iov(here * 64), 2048).unwrap();
        sock.queue(skb).unwrap();
    }
    for i in 0..count {
        let (got, _, told) = read(&mut sock, 64, 1);
        assert_eq!(got, Ok(64));
        assert_eq!(told[0].payload().frag_token, i + 1);
    }
    assert_eq!((sock.tokens_out(), sock.queued()), (count as usize, 0));
    sock
}

#[test]
fn a_ragged_length_and_too_many_ranges_are_einval_for_the_whole_call() {
    let mut rig = Rig::new();
    let mut sock = with_tokens(&mut rig, 200);
    let good = tokens(&[(1, 1); 130]);
    for len in [1, 4, 7, 9, 1023, 1025, 1039] {
        assert_eq!(sock.dontneed(&good.as_bytes()[..len]), Err(DontneedError::Ragged { len }));
    }
    assert_eq!(sock.dontneed(&good.as_bytes()[..129 * 8]), Err(DontneedError::TooMany { ranges: 129 }));
    assert_eq!(sock.dontneed(good.as_bytes()), Err(DontneedError::TooMany { ranges: 130 }));
    assert_eq!(sock.tokens_out(), 200, "not even the first range");
    // 128 are taken, nothing is too, and neither has to be aligned.
    assert_eq!(sock.dontneed(&[]), Ok(0));
    let each: Vec<_> = (1..=128).map(|token| (token, 1)).collect();
    let bytes = [&[0], tokens(&each).as_bytes()].concat();
    assert_eq!(sock.dontneed(&bytes[1..]), Ok(128));
    assert_eq!(sock.tokens_out(), 72);
    drop(sock);
    rig.assert_clean();
}

#[test]
fn unknown_tokens_are_skipped_and_count_toward_1024() {
    let mut rig = Rig::new();
    let mut sock = with_tokens(&mut rig, 100);
    assert_eq!(dontneed(&mut sock, &[(0, 1), (101, 50), (u32::MAX, 1), (5, 1), (1000, 0)]), Ok(1));
    // 1000 unknown ones, then 24 that are out: the 25th is not looked at.
    assert_eq!(dontneed(&mut sock, &[(5000, 1000), (10, 25)]), Ok(24));
    assert_eq!(dontneed(&mut sock, &[(10, 24)]), Ok(0));
    assert_eq!(dontneed(&mut sock, &[(34, 1)]), Ok(1), "the 25th is still out");
    // 1024 unknown ones use the call up, in one range or in many.
    assert_eq!(dontneed(&mut sock, &[(5000, 1024), (50, 1)]), Ok(0));
    assert_eq!(dontneed(&mut sock, &[(5000, 1023), (50, 1)]), Ok(1));
    assert_eq!(dontneed(&mut sock, &[(5000, u32::MAX), (51, 1)]), Ok(0));
    let ranges: Vec<_> = (0..128).map(|i| if i == 127 { (60, 9) } else { (7000, 8) }).collect();
    // 127 * 8 = 1016, so 8 of the last 9.
    assert_eq!(dontneed(&mut sock, &ranges), Ok(8));
    assert_eq!(sock.tokens_out(), 100 - 1 - 24 - 1 - 1 - 8);
    drop(sock);
    rig.assert_clean();
}

#[test]
fn at_1024_it_stops_and_gives_the_count() {
    let mut rig = Rig::new();
    assert_eq!(MAX_DONTNEED_FRAGS, 1024);
    let mut sock = with_tokens(&mut rig, 1000);
    sock.queue(rig.packet(b"", &[30])).unwrap();
    for _ in 0..30 {
        assert_eq!(read(&mut sock, 1, 1).0, Ok(1));
    }
    assert_eq!(sock.tokens_out(), 1030);
    assert_eq!(dontneed(&mut sock, &[(1, 2000)]), Ok(1024));
    assert_eq!(sock.tokens_out(), 6);
    // The same call again: 1024 unknown ones come first, and it does not get to the six.
    assert_eq!(dontneed(&mut sock, &[(1, 2000)]), Ok(0));
    assert_eq!(dontneed(&mut sock, &[(1025, 2000)]), Ok(6));
    rig.assert_clean();
}

#[test]
fn tokens_wrap_like_a_u32() {
    let mut rig = Rig::new();
    let mut sock = with_tokens(&mut rig, 4);
    // 2^32 - 2, 2^32 - 1, 0, 1, 2: the last two are out.
    assert_eq!(dontneed(&mut sock, &[(u32::MAX - 1, 5)]), Ok(2));
    assert_eq!(dontneed(&mut sock, &[(3, 1), (4, 1)]), Ok(2));
    rig.assert_clean();
}

#[test]
fn a_token_is_returned_once_and_ranges_may_overlap() {
    let mut rig = Rig::new();
    let mut sock = with_tokens(&mut rig, 20);
    assert_eq!(dontneed(&mut sock, &[(7, 1), (7, 1)]), Ok(1));
    assert_eq!(dontneed(&mut sock, &[(7, 1)]), Ok(0));
    // 1 to 10 without 7; then 11 to 15; then nothing new.
    assert_eq!(dontneed(&mut sock, &[(1, 10), (5, 11), (1, 15)]), Ok(9 + 5));
    assert_eq!(sock.tokens_out(), 5);
    // What comes back is given again, from the lowest on.
    sock.queue(rig.packet(b"", &[3])).unwrap();
    let given: Vec<_> = (0..3).map(|_| read(&mut sock, 1, 1).2[0].payload().frag_token).collect();
    assert_eq!(given, [1, 2, 3]);
    // So a token returned twice may by then be somebody else's piece: the number is all there is, as in Linux.
    assert_eq!(dontneed(&mut sock, &[(2, 1)]), Ok(1));
    assert_eq!(dontneed(&mut sock, &[(16, 5), (1, 1), (3, 1)]), Ok(7));
    rig.assert_clean();
}

#[test]
fn a_token_of_another_socket_is_nothing() {
    let mut rig = Rig::new();
    let (mut a, mut b) = (with_tokens(&mut rig, 2), with_tokens(&mut rig, 5));
    // Both count from 1: a number means what it means in the socket that is asked.
    assert_eq!(dontneed(&mut a, &[(3, 3)]), Ok(0));
    assert_eq!((a.tokens_out(), b.tokens_out()), (2, 5));
    assert_eq!(dontneed(&mut a, &[(1, 5)]), Ok(2));
    assert_eq!((a.tokens_out(), b.tokens_out()), (0, 5));
    assert_eq!(dontneed(&mut b, &[(1, 5)]), Ok(5));
    rig.assert_clean();
}

#[test]
fn closing_a_socket_returns_packets_and_tokens() {
    let mut rig = Rig::new();
    let mut sock = with_tokens(&mut rig, 100);
    sock.queue(rig.packet(b"head", &[100, 200])).unwrap();
    assert_eq!(read(&mut sock, 54, 8).0, Ok(54));
    assert_eq!((sock.tokens_out(), rig.device.in_use()), (101, 7 + 2));
    let before = rig.device.stats();
    drop(sock);
    let after = rig.device.stats();
    assert_eq!(rig.device.in_use(), 0);
    assert_eq!(after.recycle_ring - before.recycle_ring, 9, "each net_iov came back once");
    assert_eq!((after.recycle_ring_full, after.recycle_released_refcnt), (0, 0));
    rig.assert_clean();
}

#[test]
fn tokens_outlive_pool_and_binding_and_go_on_another_thread() {
    let mut rig = Rig::new();
    let mut sock = with_tokens(&mut rig, 40);
    let Rig { host, device, dmabuf, .. } = rig;
    drop((host, device));
    assert_eq!(dmabuf.available(), 64 - 3);
    let weak = Arc::downgrade(&dmabuf);
    drop(dmabuf);
    std::thread::spawn(move || {
        assert_eq!(dontneed(&mut sock, &[(1, 16)]), Ok(16));
        drop(sock);
    })
    .join()
    .unwrap();
    assert!(weak.upgrade().is_none(), "the last token let go of the binding");
}

#[test]
fn without_a_token_the_frag_stays_in_its_packet() {
    let mut rig = Rig::new();
    let mut sock = Sock::with_token_limit(2);
    sock.queue(rig.packet(b"head", &[100, 200, 300])).unwrap();
    // EBUSY behind what was told, then alone.
    let (got, _, told) = read(&mut sock, 1000, 8);
    assert_eq!((got, told.len()), (Ok(304), 3));
    let (got, _, told) = read(&mut sock, 1000, 8);
    assert_eq!((got, told.len()), (Err(RecvError::Token(TokenError::AllOut { limit: 2 })), 0));
    // A control buffer without room does not matter before there is a token, as in Linux.
    assert_eq!(read(&mut sock, 1000, 0).0, Err(RecvError::Token(TokenError::AllOut { limit: 2 })));
    assert_eq!((sock.queued(), rig.device.in_use()), (300, 3));
    assert_eq!(dontneed(&mut sock, &[(2, 1)]), Ok(1));
    let (got, _, told) = read(&mut sock, 1000, 8);
    assert_eq!((got, told[0].payload().frag_token), (Ok(300), 2));
    // No token at all, and more than there are numbers.
    let mut none = Sock::with_token_limit(0);
    none.queue(rig.packet(b"", &[1])).unwrap();
    assert_eq!(read(&mut none, 1, 1).0, Err(RecvError::Token(TokenError::AllOut { limit: 0 })));
    assert_eq!(format!("{:?}", Sock::with_token_limit(u32::MAX)), format!("{:?}", Sock::new()));
    assert_eq!(MAX_TOKENS, 0x7fff_ffff);
    drop((sock, none));
    rig.assert_clean();
}

#[test]
fn without_memory_nothing_is_lost() {
    let mut rig = Rig::new();
    let skb = rig.packet(b"head", &[100]);
    let mut sock = Sock::new();
    let refused = without_memory(|| sock.queue(skb).err()).expect("a queue takes memory");
    assert!(refused.to_string().contains("104 bytes"), "{refused}");
    sock.queue(refused.back).unwrap();
    let (mut buffer, mut space) = ([0xa5; 200], [0; 2 * CMSG_SPACE]);
    // Linear bytes take no memory; the token does.
    let mut control = Control::new(&mut space);
    assert_eq!(without_memory(|| sock.recv_devmem(&mut buffer, &mut control)), Ok(4));
    let no_memory = Err(RecvError::Token(TokenError::NoMemory { token: 1 }));
    assert_eq!(without_memory(|| sock.recv_devmem(&mut buffer, &mut control)), no_memory);
    assert_eq!((sock.queued(), sock.tokens_out(), control.messages().count()), (100, 0, 1));
    assert_eq!(read(&mut sock, 200, 1).0, Ok(100));
    // Returning takes none, and neither does a token that was out before.
    let token = tokens(&[(1, 1)]);
    assert_eq!(without_memory(|| sock.dontneed(token.as_bytes())), Ok(1));
    sock.queue(rig.packet(b"", &[100])).unwrap();
    let mut control = Control::new(&mut space);
    assert_eq!(without_memory(|| sock.recv_devmem(&mut buffer, &mut control)), Ok(100));
    drop(sock);
    rig.assert_clean();
}

#[test]
fn empty_frags_and_packets_are_passed_over() {
    let mut rig = Rig::new();
    let mut sock = Sock::new();
    sock.queue(Skb::new()).unwrap();
    sock.queue(rig.packet(b"", &[0, 10, 0])).unwrap();
    sock.queue(Skb::new()).unwrap();
    sock.queue(rig.packet(b"x", &[0, 0, 5])).unwrap();
    // An unreadable packet between is one that ends a read, an empty one is not.
    let (got, _, told) = read(&mut sock, 100, 8);
    assert_eq!(got, Ok(16));
    let sizes: Vec<_> = told.iter().map(|told| told.payload().frag_size).collect();
    assert_eq!(sizes, [10, 1, 5]);
    // A read of nothing gets nothing, and no token for it.
    sock.queue(rig.packet(b"", &[5])).unwrap();
    let (got, _, told) = read(&mut sock, 0, 8);
    assert_eq!((got, told.len(), sock.tokens_out()), (Ok(0), 0, 2));
    assert_eq!((sock.discard(3), sock.discard(3), sock.discard(3)), (3, 2, 0));
    drop(sock);
    rig.assert_clean();
}

#[test]
fn bindings_have_ids_and_frags_say_which() {
    let mut rigs = [Rig::new(), Rig::new()];
    let ids = rigs.each_ref().map(|rig| rig.dmabuf.id());
    assert!(ids[0] != ids[1] && !ids.contains(&0));
    let mut sock = Sock::new();
    for rig in &mut rigs {
        sock.queue(rig.packet(b"", &[10])).unwrap();
    }
    let told = read(&mut sock, 100, 8).2;
    assert_eq!([0, 1].map(|i| told[i].payload().dmabuf_id), ids);
    drop(sock);
    rigs.into_iter().for_each(Rig::assert_clean);
}

/// Pieces that are never dropped. They stay reachable, so that a leak checker reports what leaks beside them.
static KEPT: Mutex<Vec<DevmemPiece>> = Mutex::new(Vec::new());

/// All pieces of a read of that many bytes.
fn pieces(user: &mut DevmemUser, len: usize) -> Vec<DevmemPiece> {
    let mut received = Vec::with_capacity(32);
    user.recv(&mut vec![0; len], &mut received).unwrap();
    let pieces = received.into_iter().filter_map(|part| match part {
        DevmemPart::Piece(piece) => Some(piece),
        DevmemPart::Copied { .. } => None,
    });
    pieces.collect()
}

#[test]
fn s4_a_token_is_one_piece_and_a_piece_is_returned_once() {
    let mut rig = Rig::new();
    let mut user = DevmemUser::new(Sock::new());
    let skb = rig.packet(b"head", &[100, 200, 300]);
    let at = offsets(&skb);
    user.queue(skb).unwrap();
    let (mut buffer, mut received) = ([0; 1000], Vec::with_capacity(32));
    assert_eq!(user.recv(&mut buffer, &mut received), Ok(604));
    assert_eq!(&buffer[..5], b"head\0");
    assert!(matches!(received[0], DevmemPart::Copied { len: 4 }));
    let told: Vec<_> = received[1..]
        .iter()
        .map(|part| match part {
            DevmemPart::Piece(piece) => (piece.dmabuf_id(), piece.offset(), piece.len(), piece.cmsg().frag_token),
            DevmemPart::Copied { .. } => panic!("the rest is device memory"),
        })
        .collect();
    let id = rig.dmabuf.id();
    assert_eq!(told, [(id, at[0], 100, 1), (id, at[1], 200, 2), (id, at[2], 300, 3)]);
    // Given back by name, dropped, and dropped on another thread. The kernel hears of it with the next call.
    let mut parts = received.into_iter().skip(1);
    let mut piece = || match parts.next() {
        Some(DevmemPart::Piece(piece)) => piece,
        other => panic!("{other:?}"),
    };
    piece().give_back();
    drop(piece());
    let last = piece();
    std::thread::spawn(move || drop(last)).join().unwrap();
    assert_eq!((user.pieces(), user.sock().tokens_out(), rig.device.in_use()), (0, 3, 3));
    assert_eq!((user.settle(), user.settle()), (3, 0));
    assert_eq!((user.sock().tokens_out(), rig.device.in_use()), (0, 0));
    // A read returns what was given back before it takes more, so the tokens are free again.
    user.queue(rig.packet(b"", &[10])).unwrap();
    user.queue(rig.packet(b"", &[10])).unwrap();
    let first = pieces(&mut user, 10);
    assert_eq!(first[0].cmsg().frag_token, 1);
    drop(first);
    let second = pieces(&mut user, 10);
    assert_eq!(second[0].cmsg().frag_token, 1);
    drop(second);
    // One that is forgotten is the program's until the socket is closed.
    user.queue(rig.packet(b"", &[10])).unwrap();
    KEPT.lock().unwrap().extend(pieces(&mut user, 10)); // which is what `forget` does
    user.settle();
    let stats = user.sock().stats();
    assert_eq!((stats.given, stats.returned, stats.unknown, stats.refused), (6, 5, 0, 0));
    assert_eq!((user.pieces(), rig.device.in_use()), (1, 1));
    drop(user);
    rig.assert_clean();
}

/// More than one call takes: 1024 tokens, 128 ranges. All come back, and none is asked for twice.
#[test]
fn s4_pieces_come_back_in_as_many_calls_as_it_takes() {
    for every in [1, 2, 3] {
        let mut rig = Rig::new();
        let mut user = DevmemUser::new(Sock::new());
        for _ in 0..40 {
            user.queue(rig.packet(b"", &[60])).unwrap();
        }
        let mut held: Vec<_> = (0..2400).map(|_| pieces(&mut user, 1).pop().unwrap()).collect();
        // The tokens of what is dropped are in a row, or each is a range of its own.
        let (mut number, before) = (0, held.len());
        held.retain(|_| {
            number += 1;
            number % every != 0
        });
        let dropped = before - held.len();
        assert_eq!((user.settle(), user.sock().tokens_out()), (dropped, held.len()));
        drop(held);
        assert_eq!((user.settle(), user.sock().tokens_out()), (before - dropped, 0));
        let stats = user.sock().stats();
        assert_eq!((stats.given, stats.returned, stats.unknown, stats.refused), (2400, 2400, 0, 0));
        drop(user);
        rig.assert_clean();
    }
}

#[test]
fn s4_a_piece_goes_back_to_its_own_socket() {
    let mut rig = Rig::new();
    let mut users = [DevmemUser::new(Sock::new()), DevmemUser::new(Sock::new())];
    let mut held = Vec::new();
    for user in &mut users {
        user.queue(rig.packet(b"", &[10, 10])).unwrap();
        held.push(pieces(user, 20));
    }
    // Both sockets have given tokens 1 and 2.
    let [one, other] = &mut users;
    std::mem::swap(one, other);
    drop(held.remove(0));
    assert_eq!((one.settle(), other.settle()), (0, 2));
    drop(held);
    assert_eq!((one.settle(), other.settle()), (2, 0));
    for user in users {
        assert_eq!((user.sock().stats().returned, user.sock().stats().unknown), (2, 0));
    }
    rig.assert_clean();
}

/// A program that writes the number itself returns its own piece twice. It is counted, unless the number was given again.
#[test]
fn s4_a_piece_by_value_and_a_token_by_number() {
    let mut rig = Rig::new();
    let mut user = DevmemUser::new(Sock::new());
    user.queue(rig.packet(b"", &[10, 10])).unwrap();
    let held = pieces(&mut user, 20);
    let token = held[0].cmsg().frag_token;
    let by_number = tokens(&[(token, 1)]);
    assert_eq!(user.dontneed(by_number.as_bytes()), Ok(1));
    assert_eq!(user.dontneed(by_number.as_bytes()), Ok(0));
    assert_eq!(user.sock().stats().unknown, 1);
    // The value comes back, too.
    drop(held);
    assert_eq!((user.settle(), user.sock().stats().unknown, user.sock().stats().returned), (1, 2, 2));
    // Ragged and too long calls are counted as well.
    assert!(user.dontneed(&[0; 7]).is_err() && user.dontneed(&[0; 129 * 8]).is_err());
    assert_eq!((user.sock().stats().refused, user.sock().stats().unknown), (2, 2));
    drop(user);
    rig.assert_clean();
}

#[test]
fn a_piece_is_read_within_its_bounds_and_until_the_socket_is_closed() {
    let gpu = Memfd::new("gpu", 1 << 16).unwrap();
    let bus = Arc::new(Coherent::new()).driver_side();
    let dmabuf = DmabufProvider::bind(bus.clone(), gpu.clone(), &[Chunk { offset: 0, len: 1 << 16 }], 4096).unwrap();
    let mut pool: PagePool = PagePool::new(PagePoolParams::for_device(bus, 4096), AnyProvider::from(dmabuf)).unwrap();
    let mut skb = Skb::new();
    let frag = pool.alloc_frag(10).unwrap();
    skb.add_rx_frag(frag, 2048).unwrap();
    netmem::dma::PeerMemory::write(&*gpu, offsets(&skb)[0] as usize, b"0123456789").unwrap();
    let mut user = DevmemUser::new(Sock::new());
    user.queue(skb).unwrap();
    let piece = pieces(&mut user, 10).pop().unwrap();
    let mut bytes = [0; 4];
    assert_eq!((piece.read(&*gpu, 6, &mut bytes), bytes), (Ok(()), *b"6789"));
    for (at, len) in [(7, 4), (10, 1), (11, 0), (u32::MAX, 1), (0, 11)] {
        assert_eq!(piece.read(&*gpu, at, &mut vec![0; len]), Err(PieceError::Range { at, len, has: 10 }));
    }
    let small = Memfd::new("another", 4096).unwrap();
    assert!(matches!(piece.read(&*small, 0, &mut bytes), Err(PieceError::Memory(_))), "not that dma-buf");
    drop(user);
    assert_eq!(piece.read(&*gpu, 0, &mut bytes), Err(PieceError::Closed));
    assert_eq!(pool.in_use(), 0, "closing returned it");
    drop(piece);
}

#[test]
fn a_read_without_room_for_pieces_gets_none() {
    let mut rig = Rig::new();
    let mut user = DevmemUser::new(Sock::new());
    user.queue(rig.packet(b"head", &[100, 200])).unwrap();
    let mut received = Vec::new();
    let refused = Err(RecvError::Control(ControlError { left: 0 }));
    assert_eq!(user.recv(&mut [0; 1000], &mut received), refused);
    // Room for two parts, and no more is read than fits.
    let mut received = Vec::with_capacity(2);
    assert_eq!(user.recv(&mut [0; 1000], &mut received), Ok(104));
    assert_eq!((user.recv(&mut [0; 1000], &mut received), received.len()), (refused, 2));
    received.clear();
    assert_eq!((user.recv(&mut [0; 1000], &mut received), user.pieces()), (Ok(200), 1));
    // A readable packet needs no room.
    user.queue(Skb::copy_from(b"plain").unwrap()).unwrap();
    assert_eq!(user.recv(&mut [0; 1000], &mut Vec::new()), Ok(5));
    user.queue(rig.packet(b"head", &[100])).unwrap();
    assert_eq!((user.discard(1000), user.sock().queued()), (104, 0));
    drop((received, user));
    rig.assert_clean();
}

/// A piece comes back without memory, because the room for it was made before the piece was.
#[test]
fn s4_pieces_come_back_without_memory() {
    let mut rig = Rig::new();
    let mut user = DevmemUser::new(Sock::new());
    user.queue(rig.packet(b"", &[100, 200])).unwrap();
    let mut received = Vec::with_capacity(8);
    let no_memory = Err(RecvError::NoMemory { pieces: 8 });
    assert_eq!(without_memory(|| user.recv(&mut [0; 500], &mut received)), no_memory);
    assert_eq!((user.sock().queued(), user.sock().tokens_out()), (300, 0));
    assert_eq!(user.recv(&mut [0; 500], &mut received), Ok(300));
    assert_eq!(without_memory(|| (received.clear(), user.settle())), ((), 2));
    drop((received, user));
    rig.assert_clean();

    let device = Arc::new(Coherent::new()).driver_side();
    let area = UserArea::whole(Memfd::new("program", 8 << 12).unwrap());
    let (zcrx, mut user) = Zcrx::register(ZcrxParams::new(device, 1), area).unwrap();
    zcrx.copy(&[7; 2 * 4096]).unwrap();
    let refused = without_memory(|| user.receive().map(drop)).unwrap_err();
    assert_eq!(refused.out, 0);
    let held = [user.receive().unwrap().unwrap(), user.receive().unwrap().unwrap()];
    assert_eq!((user.receive().map(drop), user.pieces()), (Ok(()), 2));
    // The refill ring has one entry, so the second one waits.
    assert_eq!(without_memory(|| (drop(held), user.settle())), ((), 1));
    zcrx.flush();
    assert_eq!(user.settle(), 0);
    zcrx.flush();
    assert_eq!((zcrx.stats().returned, zcrx.provider().with_user()), (2, 0));
}

fn payload(packet: u32) -> Vec<u8> {
    // At least what fills a frame: a short one gets padding, and is not what is tested here.
    let len = 18 + packet * 37 % 8000;
    (0..len).map(|k| (packet.wrapping_mul(2_654_435_761) >> 7).wrapping_add(k * 31) as u8).collect()
}

/// From the wire to the GPU: what the NIC wrote by DMA, the GPU finds where user space was told, byte for byte, however
/// the reads cut it; and with 128 net_iovs for 600 packets it arrives only because tokens come back.
#[test]
fn the_gpu_finds_the_bytes_where_user_space_was_told() {
    const PACKETS: u32 = 600;
    let rig = kit::Rig::new(Iommu::new(), 512);
    // Four chunks with gaps between them, out of order.
    let chunks = [12, 0, 8, 4].map(|i| Chunk { offset: i << 16, len: 32 << 12 });
    let Gpu { view, dmabuf, .. } = Gpu::of_chunks(rig.device(), &chunks, 4096);
    let pool = PagePool::new(rig.params(), AnyProvider::from(dmabuf.clone())).unwrap();
    let config = QueueConfig::new(rig.split_off(pool));
    let nic = rig.nic(NicParams::default(), Frames::new((0..PACKETS).map(|packet| udp(&payload(packet)))));
    let mut driver = Driver::new(nic, vec![config]).unwrap();

    let mut sock = Sock::new();
    let (mut wire, mut user) = (Vec::new(), Vec::new());
    let mut rng = Rng::new(0x9e37_79b9_7f4a_7c15);
    let (mut offsets, mut polling) = (BTreeSet::new(), Polling::new());
    loop {
        let Polled { work: done, .. } = driver.poll(16, |skb| {
            wire.extend_from_slice(skb.linear());
            sock.queue(skb).unwrap();
            None
        });
        // Reads of any length, with a control buffer of any length.
        while sock.queued() != 0 {
            let mut buffer = vec![0xa5; 1 + rng.below(9000)];
            let mut space = vec![0; 40 + rng.below(200)];
            let mut control = Control::new(&mut space);
            let got = sock.recv_devmem(&mut buffer, &mut control).unwrap();
            let (mut copied, before, mut back) = (0, user.len(), Vec::new());
            for told in control.messages() {
                let size = told.payload().frag_size as usize;
                let start = user.len();
                match told {
                    DevmemCmsg::Linear(_) => {
                        user.extend_from_slice(&buffer[copied..copied + size]);
                        copied += size;
                    }
                    DevmemCmsg::Dmabuf(told) => {
                        assert_eq!(told.dmabuf_id, dmabuf.id());
                        offsets.insert(told.frag_offset >> 18);
                        user.resize(start + size, 0);
                        view.read(told.frag_offset as usize, &mut user[start..]).unwrap();
                        back.push((told.frag_token, 1));
                    }
                }
            }
            assert_eq!(user.len() - before, got, "what was told is what was read");
            assert_eq!(dontneed(&mut sock, &back), Ok(back.len()));
        }
        if polling.is_over(driver.hardware(), done != 0) {
            break;
        }
    }
    // Each packet is its headers, as they came, and its payload.
    let mut rest = &user[..];
    for (packet, headers) in (0..PACKETS).zip(wire.chunks(42)) {
        let payload = payload(packet);
        let (head, tail) = rest.split_at(42);
        assert_eq!(head, headers, "packet {packet}");
        let (body, tail) = tail.split_at(payload.len());
        assert!(body == payload, "packet {packet}: the payload of {} bytes differs", payload.len());
        rest = tail;
    }
    assert!(rest.is_empty());
    assert_eq!(offsets.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3], "every chunk was used");
    assert_eq!(sock.tokens_out(), 0);
    drop(driver);
    assert_eq!(dmabuf.available(), 128);
    drop((dmabuf, view));
    rig.assert_clean();
}
