//! TCP above the driver: smoltcp's on this side, the kernel's own on the other side of a TAP device, 8 MiB each way.
//! Needs root and /dev/net/tun; says so and returns where they are missing.

use netmem::mm::Zone;
use netmem::netdev::RxMemory;
use netmem::page_pool::{AnyProvider, PagePool, PagePoolParams};
use netmem::provider::PageProvider;
use netmem::skb::{IpSummed, MmFrag, ReadableSkb, Skb};
use netmem_drivers::{Driver, Polled, QueueConfig, Transmitter};
use netmem_sim::dma::{Bounce, DmaBus, Iommu};
use netmem_sim::nic::traffic::{Tap, TapParams, TrafficError};
use netmem_sim::nic::{Nic, NicParams, NicTxQueue};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const BYTES: usize = 8 << 20;
const PORT: u16 = 7;
const MTU: usize = 1500;
/// Frames this long or shorter are sent from the heap, so by way of a bounce page; longer ones from a page of their own.
const COPYBREAK: usize = 128;

/// A byte of one direction's stream, by its position.
fn byte(seed: u64, at: usize) -> u8 {
    let mixed = ((at as u64 / 8) ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (at % 8 * 8)) as u8
}

/// Fills `to` with what a stream has from `at` on.
fn fill(seed: u64, at: usize, to: &mut [u8]) {
    to.iter_mut().enumerate().for_each(|(i, to)| *to = byte(seed, at + i));
}

/// The first byte that is not what the stream has from `at` on.
fn first_wrong(seed: u64, at: usize, got: &[u8]) -> Option<usize> {
    got.iter().enumerate().position(|(i, &got)| got != byte(seed, at + i)).map(|i| at + i)
}

/// Driver and transmitter as smoltcp's device.
struct Phy {
    driver: Driver<Nic>,
    transmitter: Transmitter<NicTxQueue>,
    zone: Zone,
    received: VecDeque<Skb>,
    /// Frames that the device says it has checked.
    checked: u64,
}

impl Phy {
    /// Receives, and takes back what was sent. Says how much there was.
    fn poll(&mut self) -> u64 {
        let Phy { driver, transmitter, received, checked, .. } = self;
        let Polled { work, .. } = driver.poll(64, |skb| {
            *checked += u64::from(skb.ip_summed() == IpSummed::Unnecessary);
            received.push_back(skb);
            None
        });
        u64::from(work) + driver.clean(transmitter)
    }

    fn has_room(&self) -> bool {
        self.transmitter.room(0).is_some_and(|room| room >= 2)
    }
}

impl smoltcp::phy::Device for Phy {
    type RxToken<'a> = RxToken;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _now: smoltcp::time::Instant) -> Option<(RxToken, TxToken<'_>)> {
        if !self.has_room() {
            return None;
        }
        let skb = self.received.pop_front()?.into_readable().expect("the queue receives into host memory");
        Some((RxToken(skb), TxToken(self)))
    }

    fn transmit(&mut self, _now: smoltcp::time::Instant) -> Option<TxToken<'_>> {
        self.has_room().then_some(TxToken(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = MTU + 14;
        capabilities
    }
}

/// A packet, consumed by value.
struct RxToken(ReadableSkb);

impl smoltcp::phy::RxToken for RxToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let mut pieces = self.0.pieces();
        match (pieces.next(), pieces.next()) {
            (Some(whole), None) => f(whole),
            _ => f(&self.0.pieces().flatten().copied().collect::<Vec<_>>()),
        }
    }
}

/// Room in the ring.
struct TxToken<'a>(&'a mut Phy);

impl smoltcp::phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let (result, skb) = if len <= COPYBREAK {
            let mut frame = vec![0; len];
            let result = f(&mut frame);
            (result, Skb::copy_from(&frame).expect("there is memory"))
        } else {
            let mut page = self.0.zone.alloc(0).expect("a page is free");
            let result = f(&mut page.bytes_mut()[..len]);
            let mut skb = Skb::new();
            skb.add_mm_frag(MmFrag::new(page, 0, len as u32).expect("it is inside")).expect("17 fit");
            (result, skb)
        };
        let skb = skb.into_readable().expect("it is host memory");
        self.0.transmitter.send(0, skb).expect("there was room");
        self.0.transmitter.kick();
        result
    }
}

/// The kernel's side: sends and receives at once, and checks each byte that comes.
fn kernel(peer: Ipv4Addr) -> Result<(), String> {
    let error = |what: &'static str| move |error: std::io::Error| format!("the kernel cannot {what}: {error}");
    let timeout = Some(Duration::from_secs(60));
    let stream = TcpStream::connect_timeout(&(peer, PORT).into(), Duration::from_secs(60)).map_err(error("connect"))?;
    stream.set_read_timeout(timeout).map_err(error("set a timeout"))?;
    stream.set_write_timeout(timeout).map_err(error("set a timeout"))?;
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut stream = &stream;
            let mut piece = vec![0; 65536];
            for at in (0..BYTES).step_by(piece.len()) {
                fill(1, at, &mut piece);
                stream.write_all(&piece).map_err(error("send"))?;
            }
            stream.shutdown(Shutdown::Write).map_err(error("shut down"))
        });
        let (mut stream, mut piece, mut at) = (&stream, vec![0; 65536], 0);
        loop {
            let got = stream.read(&mut piece).map_err(error("receive"))?;
            if got == 0 {
                break;
            }
            if let Some(wrong) = first_wrong(2, at, &piece[..got]) {
                return Err(format!("the kernel received a wrong byte at {wrong}"));
            }
            at += got;
        }
        if at != BYTES {
            return Err(format!("the kernel received {at} of {BYTES} bytes"));
        }
        sender.join().expect("the sender does not panic")
    })
}

fn stream_both_ways(bus: Arc<dyn DmaBus>, network: u32) -> Option<()> {
    // One of the networks of 8 addresses in 198.19.0.0/16, so that test runs do not meet.
    let base = Ipv4Addr::new(198, 19, 0, 0).to_bits() + (std::process::id() % 4096) * 16 + network * 8;
    let (host, own) = (Ipv4Addr::from_bits(base + 1), Ipv4Addr::from_bits(base + 2));
    let tap = match Tap::open(TapParams { name: None, address: host, prefix: 29, mtu: MTU as u16 }) {
        Ok(tap) => tap.with_arp(),
        Err(error @ (TrafficError::NoTun | TrafficError::TapPermission { .. })) => {
            println!("skipped: {error}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let zone = Zone::new(8192).unwrap();
    let sink = Box::new(tap.sink());
    let nic = Nic::start_duplex(NicParams::default(), bus.clone(), Box::new(tap), sink).unwrap();
    let params = PagePoolParams::for_device(bus.clone().driver_side(), 4096);
    let payload = PagePool::new(params, AnyProvider::from(PageProvider::new(zone.clone()))).unwrap();
    let mut driver = Driver::new(nic, vec![QueueConfig::new(RxMemory::new(payload, None))]).unwrap();
    let transmitter = Transmitter::new(driver.hardware(), 1, &zone).unwrap();
    let mut phy = Phy { driver, transmitter, zone: zone.clone(), received: VecDeque::new(), checked: 0 };

    let start = Instant::now();
    let now = || smoltcp::time::Instant::from_micros(start.elapsed().as_micros() as i64);
    let mac = EthernetAddress([2, 0, 0, 0, 0, 1]);
    let mut interface = Interface::new(Config::new(mac.into()), &mut phy, now());
    interface.update_ip_addrs(|addresses| addresses.push(IpCidr::new(IpAddress::Ipv4(own), 29)).unwrap());
    let buffer = || tcp::SocketBuffer::new(vec![0; 256 << 10]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.listen(PORT).unwrap();
    let mut sockets = SocketSet::new(Vec::new());
    let handle = sockets.add(socket);

    let peer = std::thread::spawn(move || kernel(own));
    let deadline = start + Duration::from_secs(120);
    let (mut sent, mut received) = (0, 0);
    loop {
        let work = phy.poll();
        interface.poll(now(), &mut phy, &mut sockets);
        let socket = sockets.get_mut::<tcp::Socket>(handle);
        while socket.can_recv() {
            let at = received;
            let check = |piece: &mut [u8]| {
                assert_eq!(first_wrong(1, at, piece), None, "a wrong byte");
                (piece.len(), piece.len())
            };
            received += socket.recv(check).unwrap();
        }
        while socket.can_send() && sent < BYTES {
            let (at, left) = (sent, BYTES - sent);
            sent += socket
                .send(|room| {
                    let len = room.len().min(left);
                    fill(2, at, &mut room[..len]);
                    (len, len)
                })
                .unwrap();
        }
        if sent == BYTES && received == BYTES && socket.may_send() {
            socket.close();
        }
        if peer.is_finished() && !socket.is_open() && phy.transmitter.pending() == 0
            || socket.state() == tcp::State::TimeWait
        {
            break;
        }
        assert!(Instant::now() < deadline, "sent {sent}, received {received} of {BYTES}: {:?}", socket.state());
        if work == 0 && phy.received.is_empty() {
            let next = interface.poll_delay(now(), &sockets).map_or(Duration::from_millis(10), Into::into);
            phy.driver.hardware().wait(next.min(Duration::from_millis(10)));
        }
    }
    // What is under way still: the last acknowledgement.
    while phy.transmitter.pending() != 0 {
        assert!(Instant::now() < deadline);
        phy.poll();
        phy.driver.hardware().wait(Duration::from_millis(1));
    }
    assert_eq!(peer.join().unwrap(), Ok(()));
    assert_eq!((sent, received), (BYTES, BYTES), "byte for byte");
    let stats = phy.transmitter.stats(0).unwrap();
    assert_eq!((stats.failed, stats.bad_completions, stats.refused, stats.full), (0, 0, 0, 0), "{stats:?}");
    assert!(phy.checked > (BYTES / MTU) as u64, "the device has checked what the kernel sent: {}", phy.checked);
    let segments = (BYTES / MTU) as u64;
    assert!(stats.packets > segments && phy.driver.stats(0).unwrap().packets > segments);
    drop(phy);
    assert_eq!((bus.stats().mapped(), bus.stats().faults), (0, 0));
    assert_eq!(zone.free_frames(), zone.frames());
    Some(())
}

#[test]
fn the_kernels_tcp_and_ours_through_the_iommu() {
    stream_both_ways(Arc::new(Iommu::new()), 0);
}

#[test]
fn the_kernels_tcp_and_ours_through_bounce_buffers() {
    stream_both_ways(Arc::new(Bounce::new()), 1);
}
