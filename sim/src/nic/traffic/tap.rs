//! Traffic of this very host, through a TAP device.

use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};
use zerocopy::IntoBytes;

use super::arp::{Responder, is_arp, is_host};
use super::{Next, Sink, Traffic, TrafficError};

/// How long [`Tap::next_frame`](Traffic::next_frame) waits for a frame.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Bytes of a frame beside the MTU: Ethernet header and a VLAN tag.
const OVERHEAD: usize = 18;

/// A network device of this host whose cable ends here: what the host sends to its network arrives as frames.
///
/// It is there from [`open`](Self::open) to drop. Any address of its network but its own answers to ARP, so a program
/// just sends to one of them; ARP itself is not passed on. Everything else is, including what nobody asked for, such
/// as the host's IPv6 neighbour discovery. The host computes all checksums.
///
/// ```no_run
/// use std::net::UdpSocket;
///
/// use netmem_sim::nic::traffic::{Next, Tap, TapParams, Traffic};
///
/// let mut tap = Tap::open(TapParams { name: None, address: [198, 18, 0, 1].into(), prefix: 24, mtu: 1500 })?;
/// UdpSocket::bind("0.0.0.0:0")?.send_to(b"hello", "198.18.0.2:5001")?;
/// let mut frame = Vec::new();
/// while tap.next_frame(&mut frame)? != Next::Frame {}
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Tap {
    device: Arc<SyncDevice>,
    name: String,
    params: TapParams,
    /// Who answers ARP; `None` to pass it on.
    responder: Option<Responder>,
    /// One byte longer than any frame, so that one that is too long shows.
    buffer: Box<[u8]>,
    /// It failed.
    ended: bool,
}

/// What a [`Tap`] is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapParams {
    /// The name of the device; `None` to let the kernel choose.
    pub name: Option<String>,
    /// The address of this host on the device.
    pub address: Ipv4Addr,
    /// The length of the network's prefix, in bits, from 1 to 30.
    pub prefix: u8,
    /// The longest IP packet, in bytes, from 68 to 65521.
    pub mtu: u16,
}

impl TapParams {
    /// The name, or what to say instead of one.
    fn wanted_name(&self) -> &str {
        self.name.as_deref().unwrap_or("(any name)")
    }

    fn check(&self) -> Result<(), TrafficError> {
        let (address, prefix) = (self.address, self.prefix);
        if let Some(name) = &self.name {
            let bad = |c: char| c.is_whitespace() || matches!(c, '/' | ':' | '\0');
            if name.is_empty() || name.len() > 15 || name.contains(bad) || name == "." || name == ".." {
                return Err(TrafficError::TapName { name: name.clone() });
            }
        }
        if !(1..=30).contains(&prefix) {
            return Err(TrafficError::TapPrefix { address, prefix });
        }
        let first = address.octets()[0];
        if first == 0 || first == 127 || first >= 224 || !is_host(address, address, prefix) {
            return Err(TrafficError::TapAddress { address, prefix });
        }
        if !(68..=65_521).contains(&self.mtu) {
            return Err(TrafficError::TapMtu { mtu: self.mtu });
        }
        Ok(())
    }
}

impl Tap {
    /// Makes the device, gives it its address and switches it on.
    ///
    /// # Errors
    ///
    /// * [`TrafficError::TapName`], [`TrafficError::TapPrefix`], [`TrafficError::TapAddress`],
    ///   [`TrafficError::TapMtu`]: a parameter that is not possible.
    /// * [`TrafficError::NoTun`]: the kernel has no TUN/TAP, or the container does not show it.
    /// * [`TrafficError::TapPermission`]: neither root nor `CAP_NET_ADMIN`.
    /// * [`TrafficError::TapOpen`]: anything else that the kernel refuses, a name that is in use for one.
    pub fn open(params: TapParams) -> Result<Self, TrafficError> {
        params.check()?;
        // Asked first, because tun-rs would make the device node if it is missing.
        if !Path::new("/dev/net/tun").exists() {
            return Err(TrafficError::NoTun);
        }
        let failed = |source: io::Error| {
            let (name, address, prefix) = (params.wanted_name().to_owned(), params.address, params.prefix);
            match source.kind() {
                ErrorKind::PermissionDenied => TrafficError::TapPermission { name, source },
                ErrorKind::NotFound => TrafficError::NoTun,
                _ => TrafficError::TapOpen { name, address, prefix, source },
            }
        };
        let mut builder =
            DeviceBuilder::new().layer(Layer::L2).mtu(params.mtu).ipv4(params.address, params.prefix, None);
        if let Some(name) = &params.name {
            builder = builder.name(name);
        }
        let device = builder.build_sync().map_err(failed)?;
        device.set_nonblocking(true).map_err(failed)?;
        let name = device.name().map_err(failed)?;
        Ok(Tap {
            device: Arc::new(device),
            name,
            responder: Some(Responder::new(params.address, params.prefix)),
            buffer: vec![0; usize::from(params.mtu) + OVERHEAD + 1].into_boxed_slice(),
            ended: false,
            params,
        })
    }

    /// The name of the device.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Passes ARP on instead of answering it: for a stack of its own behind the NIC, which answers itself.
    #[must_use]
    pub fn with_arp(mut self) -> Self {
        self.responder = None;
        self
    }

    /// The other direction: frames that go into it arrive at the host.
    #[must_use]
    pub fn sink(&self) -> TapSink {
        TapSink { device: self.device.clone(), name: self.name.clone() }
    }

    /// The longest frame that comes, in bytes.
    #[must_use]
    pub fn max_frame(&self) -> usize {
        usize::from(self.params.mtu) + OVERHEAD
    }

    /// One frame into the buffer, and its length; `None` if there is none within [`WAIT`].
    fn receive(&mut self) -> Result<Option<usize>, TrafficError> {
        match self.device.recv(&mut self.buffer) {
            Ok(len) => return Ok(Some(len)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(self.failed(error)),
        }
        match poll(&mut [PollFd::new(&self.device, PollFlags::IN)], Some(&WAIT)) {
            Ok(0) | Err(Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(self.failed(error.into())),
        }
        match self.device.recv(&mut self.buffer) {
            Ok(len) => Ok(Some(len)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&mut self, source: io::Error) -> TrafficError {
        self.ended = true;
        failed(&self.name, source)
    }

    /// Answers an ARP frame, if it wants an answer.
    fn answer(&mut self, len: usize) -> Result<(), TrafficError> {
        let answer = self.responder.as_ref().and_then(|responder| responder.answer(&self.buffer[..len]));
        let Some(answer) = answer else { return Ok(()) };
        match self.device.send(answer.as_bytes()) {
            Ok(_) => Ok(()),
            // The link is down, or the host has no room for it: lost, as on a cable. The host will ask again.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::IO | Errno::AGAIN | Errno::NOBUFS)) => {
                Ok(())
            }
            Err(error) => Err(self.failed(error)),
        }
    }
}

impl Traffic for Tap {
    /// Waits at most about 20 ms, so that whoever asks can be stopped. Once an error came, there is only
    /// [`Next::End`].
    fn next_frame(&mut self, frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
        frame.clear();
        if self.ended {
            return Ok(Next::End);
        }
        let Some(len) = self.receive()? else { return Ok(Next::Idle) };
        if len > self.max_frame() {
            self.ended = true;
            let (max_frame, mtu) = (self.max_frame(), self.params.mtu);
            return Err(TrafficError::TapFrame { name: self.name.clone(), max_frame, mtu });
        }
        if self.responder.is_some() && is_arp(&self.buffer[..len]) {
            self.answer(len)?;
            return Ok(Next::Idle);
        }
        frame.extend_from_slice(&self.buffer[..len]);
        Ok(Next::Frame)
    }

    fn describe(&self) -> String {
        let TapParams { address, prefix, mtu, .. } = self.params;
        format!("TAP device {}: {address}/{prefix}, MTU {mtu}; send to any other address of its network", self.name)
    }
}

fn failed(name: &str, source: io::Error) -> TrafficError {
    let name = name.to_owned();
    match Errno::from_io_error(&source) {
        Some(Errno::BADFD | Errno::NODEV | Errno::IO | Errno::NXIO) => TrafficError::TapGone { name, source },
        _ => TrafficError::Tap { name, source },
    }
}

/// What a NIC sends to the host: the other direction of a [`Tap`].
pub struct TapSink {
    device: Arc<SyncDevice>,
    name: String,
}

impl Sink for TapSink {
    fn send(&mut self, frame: &[u8]) -> Result<(), TrafficError> {
        match self.device.send(frame) {
            Ok(_) => Ok(()),
            // The link is down, the host has no room for it, or it is shorter than an Ethernet header: lost, as on a
            // cable.
            Err(error)
                if matches!(
                    Errno::from_io_error(&error),
                    Some(Errno::IO | Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM | Errno::INVAL)
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(failed(&self.name, error)),
        }
    }

    fn describe(&self) -> String {
        format!("TAP device {}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::process::Command;

    use super::*;
    use crate::nic::frame::{parse, udp_checksum_ok};

    fn params() -> TapParams {
        // One of the 16384 networks of 8 addresses in 198.18.0.0/15, so that test runs do not meet.
        let network = Ipv4Addr::new(198, 18, 0, 0).to_bits() + (std::process::id() % 16_384) * 8;
        TapParams { name: None, address: Ipv4Addr::from_bits(network + 1), prefix: 29, mtu: 2000 }
    }

    /// The next frame with a destination port among `ports`; the host sends others without being asked.
    fn next_udp(tap: &mut Tap, frame: &mut Vec<u8>, ports: &[u16]) -> Result<(), TrafficError> {
        for _ in 0..1000 {
            match tap.next_frame(frame)? {
                Next::Frame if parse(frame).dst_port.is_some_and(|port| ports.contains(&port)) => return Ok(()),
                Next::Frame | Next::Idle => {}
                Next::End => panic!("a TAP device does not end without an error"),
            }
        }
        panic!("1000 times nothing that was sent");
    }

    #[test]
    fn datagrams_of_this_host() {
        let mut tap = match Tap::open(params()) {
            Ok(tap) => tap,
            Err(error @ (TrafficError::NoTun | TrafficError::TapPermission { .. })) => {
                println!("skipped: {error}");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        assert!(tap.describe().starts_with(&format!("TAP device {}: 198.1", tap.name())));
        let peer = Ipv4Addr::from_bits(params().address.to_bits() + 1);
        let socket = UdpSocket::bind((params().address, 0)).expect("the address is there");
        let payload = |len: usize, port: u16| (0..len).map(|i| (i * 7 + usize::from(port)) as u8).collect::<Vec<_>>();
        let sizes = [0, 1, 17, 18, 19, 500, 1472, 1971, 1972];
        for (i, len) in sizes.into_iter().enumerate() {
            let port = 5001 + i as u16 % 2;
            assert_eq!(socket.send_to(&payload(len, port), (peer, port)).expect("there is a route"), len);
        }
        let mut frame = Vec::new();
        for (i, len) in sizes.into_iter().enumerate() {
            next_udp(&mut tap, &mut frame, &[5001, 5002]).expect("the TAP device works");
            let parsed = parse(&frame);
            assert_eq!(parsed.dst_port, Some(5001 + i as u16 % 2));
            assert_eq!(parsed.src_port, socket.local_addr().ok().map(|address| address.port()));
            let (headers, rest) = frame.split_at(parsed.header_len);
            assert_eq!(headers[..6], super::super::arp::mac_of(peer));
            let got = &rest[..parsed.payload_len];
            assert_eq!(got, payload(len, 5001 + i as u16 % 2));
            assert_eq!(udp_checksum_ok(headers, got), Some(true));
        }

        let deleted = Command::new("ip").args(["link", "del", tap.name()]).status();
        if !deleted.as_ref().is_ok_and(|status| status.success()) {
            println!("skipped: ip link del {} did not work: {deleted:?}", tap.name());
            return;
        }
        let error = next_udp(&mut tap, &mut frame, &[5001]).expect_err("the device is gone");
        assert!(matches!(&error, TrafficError::TapGone { name, .. } if name == tap.name()), "{error}");
        assert!(error.to_string().starts_with(&format!("the TAP device {} is gone", tap.name())));
        assert!(matches!(tap.next_frame(&mut frame), Ok(Next::End)));
    }

    #[test]
    fn a_name_in_use() {
        let params = TapParams { name: Some("lo".to_owned()), ..params() };
        match Tap::open(params) {
            Err(error @ (TrafficError::NoTun | TrafficError::TapPermission { .. })) => println!("skipped: {error}"),
            Err(error @ TrafficError::TapOpen { .. }) => {
                assert!(error.to_string().starts_with("cannot make the TAP device lo with 198.1"), "{error}");
            }
            Err(error) => panic!("{error}"),
            Ok(tap) => panic!("two devices named {}", tap.name()),
        }
    }

    #[test]
    fn parameters_are_checked() {
        let error = |change: fn(&mut TapParams)| {
            let mut params = TapParams { name: None, address: [198, 18, 0, 1].into(), prefix: 24, mtu: 1500 };
            change(&mut params);
            params.check().expect_err("bad parameters").to_string()
        };
        for name in ["", "sixteen-letters!", "a b", "a/b", "a:b", ".."] {
            let params = TapParams { name: Some(name.to_owned()), ..params() };
            assert!(matches!(params.check(), Err(TrafficError::TapName { .. })), "{name:?}");
        }
        assert!(error(|p| p.prefix = 0).contains("198.18.0.1/0 leaves no address"));
        assert!(error(|p| p.prefix = 31).contains("198.18.0.1/31 leaves no address"));
        assert!(error(|p| p.address = [198, 18, 0, 0].into()).contains("198.18.0.0/24 is not the address of a host"));
        assert!(error(|p| p.address = [198, 18, 0, 255].into()).contains("is not the address of a host"));
        assert!(error(|p| p.address = [127, 0, 0, 1].into()).contains("is not the address of a host"));
        assert!(error(|p| p.address = [224, 0, 0, 1].into()).contains("is not the address of a host"));
        assert!(error(|p| p.mtu = 67).contains("an MTU of 67 bytes: use 68 to 65521"));
        assert!(error(|p| p.mtu = 65_522).contains("an MTU of 65522 bytes"));
    }
}
