//! What the NIC understands of a frame.

use core::net::Ipv4Addr;

use static_assertions::const_assert_eq;
use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use netmem::skb::checksum::{Checksum, ip_checksum};

/// The shortest frame, in bytes, without the checksum that hardware adds. Shorter ones are padded with zeros.
#[doc(alias = "ETH_ZLEN")]
pub const MIN_FRAME: usize = 60;

/// The bytes before the payload of a UDP/IPv4 frame that [`build_udp`] makes.
pub const UDP_HEADERS: usize = size_of::<Ethernet>() + size_of::<Ipv4>() + size_of::<Udp>();

/// The longest payload of a UDP/IPv4 packet, in bytes: its total length is a 16-bit number.
pub const MAX_UDP_PAYLOAD: usize = 0xffff - size_of::<Ipv4>() - size_of::<Udp>();

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const PROTO_TCP: u8 = 6;
const PROTO_UDP: u8 = 17;

/// What [`parse`] found: where the payload is, and the ports that steer the frame to a queue.
///
/// # Invariants
///
/// `header_len + payload_len` is at most the length of the frame. Both ports are there, or neither is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The bytes of the headers that were understood, up to and including TCP or UDP: where the payload begins.
    pub header_len: usize,
    /// The bytes of the payload, as IP and UDP tell: what pads a short frame does not count.
    pub payload_len: usize,
    /// The port the packet goes to. `None` unless the headers were understood up to and including TCP or UDP, which
    /// is also when header and payload can be split.
    pub dst_port: Option<u16>,
    /// The port the packet comes from; there when `dst_port` is.
    pub src_port: Option<u16>,
}

/// The header of an Ethernet II frame.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[doc(alias = "ethhdr")]
pub struct Ethernet {
    /// The MAC address the frame goes to.
    pub dst: [u8; 6],
    /// The MAC address it comes from.
    pub src: [u8; 6],
    /// The protocol inside; 0x8100 if a [`Vlan`] tag follows.
    pub ethertype: U16,
}
const_assert_eq!(size_of::<Ethernet>(), 14);

/// An 802.1Q tag, between the Ethernet header and what is inside.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[doc(alias = "vlan_hdr")]
pub struct Vlan {
    /// Priority (3 bits), drop eligible (1 bit), VLAN (12 bits).
    pub tci: U16,
    /// The protocol inside.
    pub ethertype: U16,
}
const_assert_eq!(size_of::<Vlan>(), 4);

/// The IPv4 header, without its options.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[doc(alias = "iphdr")]
pub struct Ipv4 {
    /// Version (4) in the high four bits, length of the header in words of 4 bytes in the low ones.
    pub version_ihl: u8,
    /// Type of service.
    pub tos: u8,
    /// Bytes of header and payload.
    pub total_len: U16,
    /// What the fragments of a packet have in common.
    pub id: U16,
    /// Reserved, do not fragment, more fragments (a bit each); offset of the fragment in units of 8 bytes (13 bits).
    pub fragment: U16,
    /// Hops left.
    pub ttl: u8,
    /// The protocol inside.
    pub protocol: u8,
    /// The Internet checksum of header and options.
    pub checksum: U16,
    /// The address the packet comes from.
    pub src: [u8; 4],
    /// The address it goes to.
    pub dst: [u8; 4],
}
const_assert_eq!(size_of::<Ipv4>(), 20);

impl Ipv4 {
    /// "Do not fragment" in [`fragment`](Self::fragment).
    pub const DONT_FRAGMENT: u16 = 0x4000;
    /// "More fragments" in [`fragment`](Self::fragment).
    pub const MORE_FRAGMENTS: u16 = 0x2000;
    /// The offset in [`fragment`](Self::fragment), in units of 8 bytes.
    pub const FRAGMENT_OFFSET: u16 = 0x1fff;
}

/// The fixed header of IPv6.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[doc(alias = "ipv6hdr")]
pub struct Ipv6 {
    /// Version (6) in the high four bits, traffic class, flow label.
    pub version_class_flow: U32,
    /// Bytes after this header.
    pub payload_len: U16,
    /// The protocol, or the first extension header.
    pub next_header: u8,
    /// Hops left.
    pub hop_limit: u8,
    /// The address the packet comes from.
    pub src: [u8; 16],
    /// The address it goes to.
    pub dst: [u8; 16],
}
const_assert_eq!(size_of::<Ipv6>(), 40);

/// The UDP header.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[doc(alias = "udphdr")]
pub struct Udp {
    /// The port the packet comes from.
    pub src_port: U16,
    /// The port it goes to.
    pub dst_port: U16,
    /// Bytes of header and payload.
    pub len: U16,
    /// The Internet checksum of pseudo header, header and payload; 0 for none.
    pub checksum: U16,
}
const_assert_eq!(size_of::<Udp>(), 8);

/// The TCP header, without its options.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[doc(alias = "tcphdr")]
pub struct Tcp {
    /// The port the segment comes from.
    pub src_port: U16,
    /// The port it goes to.
    pub dst_port: U16,
    /// The number of the first byte.
    pub seq: U32,
    /// The number of the byte that is expected next.
    pub ack: U32,
    /// Length of the header in words of 4 bytes in the high four bits.
    pub data_offset: u8,
    /// FIN, SYN, RST, PSH, ACK, URG, ECE and CWR, from the low bit up.
    pub flags: u8,
    /// Bytes that the other side may send.
    pub window: U16,
    /// The Internet checksum of pseudo header, header and payload.
    pub checksum: U16,
    /// Where urgent data ends.
    pub urgent: U16,
}
const_assert_eq!(size_of::<Tcp>(), 20);

/// Finds the payload of a frame and the ports that steer it.
///
/// Ethernet II with at most one 802.1Q tag, IPv4 with options, IPv6 without extension headers, TCP, UDP. It never
/// fails: of what it does not know (ARP, fragments other than the first, headers that are cut off or contradict
/// themselves) the headers end where the understanding ends, and there are no ports. A frame without a whole Ethernet
/// header has no header at all.
#[must_use]
pub fn parse(frame: &[u8]) -> Parsed {
    let packet = Packet::parse(frame);
    let (src_port, dst_port) = packet.ports.unzip();
    Parsed { header_len: packet.payload, payload_len: packet.end - packet.payload, dst_port, src_port }
}

/// Whether the checksum of a UDP packet is right, over the header (`frame[..header_len]`) and the payload (exactly
/// `payload_len` bytes) that [`parse`] told apart.
///
/// `None` if there is nothing to check: not an unfragmented UDP packet, or over IPv4 and its sender did not compute a
/// checksum. A packet whose payload is shorter or longer than its UDP header says is wrong.
#[must_use]
pub fn udp_checksum_ok(headers: &[u8], payload: &[u8]) -> Option<bool> {
    udp_checksum_ok_pieces(headers, [payload])
}

/// [`udp_checksum_ok`] of a payload that arrived in several pieces, of any lengths.
#[must_use]
pub fn udp_checksum_ok_pieces<'a>(headers: &[u8], payload: impl IntoIterator<Item = &'a [u8]>) -> Option<bool> {
    let packet = Packet::parse(headers);
    let ip = packet.ip.filter(|ip| ip.protocol == PROTO_UDP && !ip.fragmented)?;
    packet.ports?;
    let (udp, _) = Udp::ref_from_prefix(headers.get(ip.end..)?).ok()?;
    if udp.checksum == 0 {
        // IPv6 has no checksum of its own, so there a packet without one is not valid (RFC 8200, 8.1).
        return if ip.v6 { Some(false) } else { None };
    }
    let mut sum = pseudo_header(&headers[ip.addresses..ip.addresses_end], PROTO_UDP, udp.len.get());
    sum.add(udp.as_bytes());
    let mut len = size_of::<Udp>();
    for piece in payload {
        sum.add(piece);
        len += piece.len();
    }
    Some(len == usize::from(udp.len.get()) && sum.finish() == 0)
}

/// Whether the checksum of a frame's UDP or TCP is right: what a device that checks reports.
///
/// `None` if there is nothing to check: another protocol, a fragment, or UDP over IPv4 whose sender computed none.
#[must_use]
pub fn checksum_ok(frame: &[u8]) -> Option<bool> {
    let packet = Packet::parse(frame);
    let (headers, rest) = frame.split_at(packet.payload);
    let payload = &rest[..packet.end - packet.payload];
    let ip = packet.ip.filter(|ip| !ip.fragmented)?;
    packet.ports?;
    if ip.protocol == PROTO_UDP {
        return udp_checksum_ok(headers, payload);
    }
    let segment = &frame[ip.end..packet.end];
    let mut sum = pseudo_header(&frame[ip.addresses..ip.addresses_end], PROTO_TCP, segment.len().try_into().ok()?);
    sum.add(segment);
    Some(sum.finish() == 0)
}

/// Who sends a UDP packet to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpFlow {
    /// The MAC address of the sender.
    pub src_mac: [u8; 6],
    /// The MAC address of the receiver.
    pub dst_mac: [u8; 6],
    /// The address of the sender.
    pub src: Ipv4Addr,
    /// The address of the receiver.
    pub dst: Ipv4Addr,
    /// The port of the sender.
    pub src_port: u16,
    /// The port of the receiver.
    pub dst_port: u16,
}

/// A payload that no UDP/IPv4 packet can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes do not fit into one UDP packet over IPv4: send at most {MAX_UDP_PAYLOAD} bytes")]
pub struct PayloadTooLong {
    /// The bytes of the payload.
    pub len: usize,
}

/// Makes `frame` the frame of one UDP/IPv4 packet with `payload_len` bytes of payload that `fill` writes in place.
///
/// What was in `frame` is gone, its allocation is used again. `fill` must write every byte it is given: they hold
/// anything. Both checksums are right, and a short frame is padded with zeros to [`MIN_FRAME`].
///
/// # Errors
///
/// [`PayloadTooLong`] if `payload_len` is more than [`MAX_UDP_PAYLOAD`]; then `frame` is as it was.
pub fn build_udp(
    frame: &mut Vec<u8>,
    flow: &UdpFlow,
    payload_len: usize,
    fill: impl FnOnce(&mut [u8]),
) -> Result<(), PayloadTooLong> {
    if payload_len > MAX_UDP_PAYLOAD {
        return Err(PayloadTooLong { len: payload_len });
    }
    let end = UDP_HEADERS + payload_len;
    // Not cleared first: of a frame of the same length nothing has to be written twice.
    frame.resize(end.max(MIN_FRAME), 0);
    frame[end..].fill(0);
    let (headers, payload) = frame[..end].split_at_mut(UDP_HEADERS);
    fill(payload);

    let udp_len = (size_of::<Udp>() + payload_len) as u16;
    let ethernet = Ethernet { dst: flow.dst_mac, src: flow.src_mac, ethertype: ETHERTYPE_IPV4.into() };
    let mut ip = Ipv4 {
        version_ihl: 0x45,
        tos: 0,
        total_len: (size_of::<Ipv4>() as u16 + udp_len).into(),
        // An atomic datagram needs no identification (RFC 6864, 4.1).
        id: 0.into(),
        fragment: Ipv4::DONT_FRAGMENT.into(),
        ttl: 64,
        protocol: PROTO_UDP,
        checksum: 0.into(),
        src: flow.src.octets(),
        dst: flow.dst.octets(),
    };
    ip.checksum = ip_checksum(ip.as_bytes()).into();
    let mut udp =
        Udp { src_port: flow.src_port.into(), dst_port: flow.dst_port.into(), len: udp_len.into(), checksum: 0.into() };
    let mut sum = pseudo_header([ip.src, ip.dst].as_bytes(), PROTO_UDP, udp_len);
    sum.add(udp.as_bytes());
    sum.add(payload);
    // 0 would mean that there is none; 0xffff is the other zero of one's complement (RFC 768).
    udp.checksum = match sum.finish() {
        0 => 0xffff,
        sum => sum,
    }
    .into();

    let (at_ethernet, rest) = headers.split_at_mut(size_of::<Ethernet>());
    let (at_ip, at_udp) = rest.split_at_mut(size_of::<Ipv4>());
    at_ethernet.copy_from_slice(ethernet.as_bytes());
    at_ip.copy_from_slice(ip.as_bytes());
    at_udp.copy_from_slice(udp.as_bytes());
    Ok(())
}

/// The sum of what UDP and TCP check of the layer below: both addresses, the length, the protocol.
fn pseudo_header(addresses: &[u8], protocol: u8, len: u16) -> Checksum {
    let mut sum = Checksum::new();
    sum.add(addresses);
    sum.add_u16(protocol.into());
    sum.add_u16(len);
    sum
}

/// A frame, as far as it was understood. All positions are bytes from the start of the frame.
///
/// # Invariants
///
/// `payload <= end <= frame.len()`.
#[derive(Clone, Copy)]
struct Packet {
    payload: usize,
    end: usize,
    ip: Option<Ip>,
    /// Source, destination.
    ports: Option<(u16, u16)>,
}

/// What the layers above need of either IP.
#[derive(Clone, Copy)]
struct Ip {
    v6: bool,
    fragmented: bool,
    /// Not the start of its packet, so nothing above IP is in it.
    later_fragment: bool,
    protocol: u8,
    /// Source and destination lie at `addresses..addresses_end`.
    addresses: usize,
    addresses_end: usize,
    /// Where the header ends.
    end: usize,
    /// Where the packet ends, by its own length; may be past the end of the frame.
    packet_end: usize,
}

impl Packet {
    fn parse(frame: &[u8]) -> Self {
        let mut packet = Packet { payload: 0, end: frame.len(), ip: None, ports: None };
        let Ok((ethernet, inner)) = Ethernet::ref_from_prefix(frame) else { return packet };
        packet.payload = size_of::<Ethernet>();
        let mut ethertype = ethernet.ethertype.get();
        if ethertype == ETHERTYPE_VLAN {
            let Ok((vlan, _)) = Vlan::ref_from_prefix(inner) else { return packet };
            packet.payload += size_of::<Vlan>();
            ethertype = vlan.ethertype.get();
        }
        let ip = match ethertype {
            ETHERTYPE_IPV4 => Ip::v4(frame, packet.payload),
            ETHERTYPE_IPV6 => Ip::v6(frame, packet.payload),
            _ => None,
        };
        let Some(ip) = ip else { return packet };
        packet.ip = Some(ip);
        packet.payload = ip.end;
        packet.end = ip.packet_end.min(frame.len());
        if !ip.later_fragment {
            packet.transport(&frame[..packet.end], ip);
        }
        packet
    }

    /// Reads TCP or UDP in `frame`, which ends where the IP packet does.
    fn transport(&mut self, frame: &[u8], ip: Ip) {
        let Some(segment) = frame.get(ip.end..) else { return };
        match ip.protocol {
            PROTO_UDP => {
                let Ok((udp, _)) = Udp::ref_from_prefix(segment) else { return };
                let len = usize::from(udp.len.get());
                if len < size_of::<Udp>() {
                    return;
                }
                self.payload = ip.end + size_of::<Udp>();
                self.end = self.end.min(ip.end + len);
                self.ports = Some((udp.src_port.get(), udp.dst_port.get()));
            }
            PROTO_TCP => {
                let Ok((tcp, _)) = Tcp::ref_from_prefix(segment) else { return };
                let len = usize::from(tcp.data_offset >> 4) * 4;
                if len < size_of::<Tcp>() || len > segment.len() {
                    return;
                }
                self.payload = ip.end + len;
                self.ports = Some((tcp.src_port.get(), tcp.dst_port.get()));
            }
            _ => {}
        }
    }
}

impl Ip {
    /// The IPv4 header at `at`, with its options.
    fn v4(frame: &[u8], at: usize) -> Option<Self> {
        let (ip, _) = Ipv4::ref_from_prefix(frame.get(at..)?).ok()?;
        let header = usize::from(ip.version_ihl & 0xf) * 4;
        let total = usize::from(ip.total_len.get());
        if ip.version_ihl >> 4 != 4 || header < size_of::<Ipv4>() || total < header || frame.len() - at < header {
            return None;
        }
        let later_fragment = ip.fragment.get() & Ipv4::FRAGMENT_OFFSET != 0;
        Some(Ip {
            v6: false,
            fragmented: later_fragment || ip.fragment.get() & Ipv4::MORE_FRAGMENTS != 0,
            later_fragment,
            protocol: ip.protocol,
            addresses: at + std::mem::offset_of!(Ipv4, src),
            addresses_end: at + size_of::<Ipv4>(),
            end: at + header,
            packet_end: at + total,
        })
    }

    /// The IPv6 header at `at`. An extension header is an unknown protocol.
    fn v6(frame: &[u8], at: usize) -> Option<Self> {
        let (ip, _) = Ipv6::ref_from_prefix(frame.get(at..)?).ok()?;
        if ip.version_class_flow.get() >> 28 != 6 {
            return None;
        }
        let end = at + size_of::<Ipv6>();
        Some(Ip {
            v6: true,
            fragmented: false,
            later_fragment: false,
            protocol: ip.next_header,
            addresses: at + std::mem::offset_of!(Ipv6, src),
            addresses_end: end,
            end,
            packet_end: end + usize::from(ip.payload_len.get()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: UdpFlow = UdpFlow {
        src_mac: [2, 0, 0, 0, 0, 1],
        dst_mac: [2, 0, 0, 0, 0, 2],
        src: Ipv4Addr::new(198, 18, 0, 1),
        dst: Ipv4Addr::new(198, 18, 0, 2),
        src_port: 40_000,
        dst_port: 5001,
    };

    fn udp(len: usize) -> Vec<u8> {
        // What is in the buffer before must not show.
        let mut frame = vec![0xee; 100];
        build_udp(&mut frame, &FLOW, len, |payload| {
            for (i, byte) in payload.iter_mut().enumerate() {
                *byte = i as u8;
            }
        })
        .expect("a short payload");
        frame
    }

    fn tagged(frame: &[u8]) -> Vec<u8> {
        [&frame[..12], &[0x81, 0x00, 0x60, 0x07], &frame[12..]].concat()
    }

    /// The same UDP packet over IPv6, with a correct checksum.
    fn udp_v6(payload: &[u8]) -> Vec<u8> {
        let mut ip = Ipv6 {
            version_class_flow: 0x6000_0000.into(),
            payload_len: (8 + payload.len() as u16).into(),
            next_header: PROTO_UDP,
            hop_limit: 64,
            src: [0; 16],
            dst: [0; 16],
        };
        (ip.src[0], ip.src[15], ip.dst[0], ip.dst[15]) = (0xfd, 1, 0xfd, 2);
        let mut udp = Udp { src_port: 40_000.into(), dst_port: 5001.into(), len: ip.payload_len, checksum: 0.into() };
        let mut sum = pseudo_header([ip.src, ip.dst].as_bytes(), PROTO_UDP, udp.len.get());
        sum.add(udp.as_bytes());
        sum.add(payload);
        udp.checksum = sum.finish().into();
        let ethernet = Ethernet { dst: [2; 6], src: [4; 6], ethertype: ETHERTYPE_IPV6.into() };
        [ethernet.as_bytes(), ip.as_bytes(), udp.as_bytes(), payload].concat()
    }

    fn tcp(options: usize, payload: usize) -> Vec<u8> {
        let len = 20 + options;
        let mut frame = udp(payload);
        frame.truncate(34);
        frame[23] = PROTO_TCP;
        frame[16..18].copy_from_slice(&((20 + len + payload) as u16).to_be_bytes());
        let header = Tcp {
            src_port: 80.into(),
            dst_port: 5002.into(),
            seq: 1.into(),
            ack: 2.into(),
            data_offset: ((len / 4) << 4) as u8,
            flags: 0x10,
            window: 1000.into(),
            checksum: 0.into(),
            urgent: 0.into(),
        };
        frame.extend_from_slice(header.as_bytes());
        frame.resize(34 + len + payload, 1);
        frame
    }

    fn check(frame: &[u8]) -> Option<bool> {
        let parsed = parse(frame);
        let (headers, rest) = frame.split_at(parsed.header_len);
        udp_checksum_ok(headers, &rest[..parsed.payload_len])
    }

    #[test]
    fn short_frames_are_padded_and_the_padding_is_no_payload() {
        for len in [0, 1, 2, 17, 18, 19, 100, 1472, 8958] {
            let frame = udp(len);
            assert_eq!(frame.len(), (42 + len).max(60), "payload of {len} bytes");
            let want = Parsed { header_len: 42, payload_len: len, dst_port: Some(5001), src_port: Some(40_000) };
            assert_eq!(parse(&frame), want);
            assert!(frame[42 + len..].iter().all(|&byte| byte == 0), "the padding is 0");
            assert_eq!(ip_checksum(&frame[14..34]), 0, "the IPv4 header sums up");
            assert_eq!(check(&frame), Some(true), "payload of {len} bytes");
        }
    }

    #[test]
    fn longest_payload() {
        let frame = udp(MAX_UDP_PAYLOAD);
        assert_eq!(parse(&frame).payload_len, MAX_UDP_PAYLOAD);
        assert_eq!(check(&frame), Some(true));
        let mut frame = vec![7];
        let error = build_udp(&mut frame, &FLOW, MAX_UDP_PAYLOAD + 1, |_| ()).expect_err("one byte too many");
        assert_eq!(error, PayloadTooLong { len: 65_508 });
        assert_eq!(frame, [7]);
    }

    #[test]
    fn a_sum_of_zero_is_sent_as_its_other_form() {
        let mut frame = Vec::new();
        let found = (0..=u16::MAX).map(u16::to_be_bytes).any(|word| {
            build_udp(&mut frame, &FLOW, 2, |payload| payload.copy_from_slice(&word)).expect("two bytes fit");
            frame[40..42] == [0xff, 0xff]
        });
        assert!(found, "one of 65536 words makes the sum 0");
        assert_eq!(check(&frame), Some(true));
    }

    #[test]
    fn a_flipped_bit_is_noticed_wherever_udp_looks() {
        let good = udp(33);
        for at in (26..34).chain(36..75) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            // A UDP length of fewer than 8 bytes is no UDP header; else the sum is wrong.
            assert_ne!(check(&bad), Some(true), "byte {at}");
        }
        let mut none = good.clone();
        none[40..42].fill(0);
        assert_eq!(check(&none), None, "the sender of this one did not compute a checksum");
        assert_eq!(udp_checksum_ok(&good[..42], &good[42..74]), Some(false), "a byte is missing");
        assert_eq!(udp_checksum_ok(&good[..41], &good[42..75]), None, "half a header");
        assert_eq!(udp_checksum_ok_pieces(&good[..42], [&good[42..45], &[], &good[45..75]]), Some(true));
    }

    #[test]
    fn vlan_tag() {
        let frame = tagged(&udp(5));
        let want = Parsed { header_len: 46, payload_len: 5, dst_port: Some(5001), src_port: Some(40_000) };
        assert_eq!(parse(&frame), want);
        assert_eq!(check(&frame), Some(true));
        let twice = tagged(&frame);
        assert_eq!(parse(&twice), Parsed { header_len: 18, payload_len: 50, dst_port: None, src_port: None });
    }

    #[test]
    fn ipv6() {
        let payload = [1, 2, 3];
        let mut frame = udp_v6(&payload);
        frame.resize(90, 0);
        let want = Parsed { header_len: 62, payload_len: 3, dst_port: Some(5001), src_port: Some(40_000) };
        assert_eq!(parse(&frame), want);
        assert_eq!(check(&frame), Some(true));
        assert_eq!(check(&tagged(&frame)), Some(true));
        frame[64] ^= 1;
        assert_eq!(check(&frame), Some(false));
        frame[60..62].fill(0);
        assert_eq!(check(&frame), Some(false), "IPv6 has no packets without a checksum");
        // Hop-by-hop options before UDP.
        frame[20] = 0;
        assert_eq!(parse(&frame), Parsed { header_len: 54, payload_len: 11, dst_port: None, src_port: None });
        assert_eq!(check(&frame), None);
    }

    #[test]
    fn ipv4_options() {
        let mut frame = udp(40);
        frame[14] = 0x47;
        frame[16..18].copy_from_slice(&(20u16 + 8 + 8 + 40).to_be_bytes());
        frame.splice(34..34, [1; 8]);
        let want = Parsed { header_len: 50, payload_len: 40, dst_port: Some(5001), src_port: Some(40_000) };
        assert_eq!(parse(&frame), want);
        assert_eq!(check(&frame), Some(true));
    }

    #[test]
    fn tcp_with_options() {
        for (options, payload) in [(0, 0), (12, 100), (40, 1)] {
            let frame = tcp(options, payload);
            let want =
                Parsed { header_len: 54 + options, payload_len: payload, dst_port: Some(5002), src_port: Some(80) };
            assert_eq!(parse(&frame), want);
            assert_eq!(check(&frame), None, "not UDP");
        }
        let mut frame = tcp(0, 10);
        for data_offset in [0x00, 0x40, 0xf0] {
            frame[46] = data_offset;
            let parsed = parse(&frame);
            assert_eq!((parsed.header_len, parsed.dst_port), (34, None), "data offset {data_offset:#x}");
        }
    }

    #[test]
    fn fragments() {
        let mut first = udp(64);
        first[20..22].copy_from_slice(&Ipv4::MORE_FRAGMENTS.to_be_bytes());
        assert_eq!(parse(&first).dst_port, Some(5001));
        assert_eq!(check(&first), None, "the checksum goes over all fragments");
        let mut later = udp(64);
        later[20..22].copy_from_slice(&9u16.to_be_bytes());
        assert_eq!(parse(&later), Parsed { header_len: 34, payload_len: 72, dst_port: None, src_port: None });
        assert_eq!(check(&later), None);
    }

    #[test]
    fn what_is_not_ip() {
        let mut arp = [0; 60];
        arp[12..14].copy_from_slice(&[0x08, 0x06]);
        assert_eq!(parse(&arp), Parsed { header_len: 14, payload_len: 46, dst_port: None, src_port: None });
        assert_eq!(parse(&[]), Parsed { header_len: 0, payload_len: 0, dst_port: None, src_port: None });
        let mut version = udp(64);
        version[14] = 0x55;
        assert_eq!(parse(&version).header_len, 14);
        let mut ihl = udp(64);
        ihl[14] = 0x44;
        assert_eq!(parse(&ihl).header_len, 14, "a header of 16 bytes is none");
        let mut total = udp(64);
        total[16..18].copy_from_slice(&19u16.to_be_bytes());
        assert_eq!(parse(&total).header_len, 14, "a packet shorter than its header is none");
    }

    /// The lengths stay within the frame whatever is cut off and whatever one byte says.
    #[test]
    fn cut_off_anywhere_and_any_byte_wrong() {
        for frame in [udp(33), udp(3), tagged(&udp(33)), udp_v6(&[9; 33]), tagged(&tcp(12, 33)), tcp(40, 0)] {
            for len in 0..=frame.len() {
                let whole = parse(&frame);
                let cut = parse(&frame[..len]);
                assert!(cut.header_len + cut.payload_len <= len, "{cut:?} in {len} bytes");
                assert!(cut.header_len <= whole.header_len);
                assert_eq!(cut.dst_port.is_some(), len >= whole.header_len, "{len} bytes");
                let _ = check(&frame[..len]);
            }
            for at in 0..frame.len() {
                let mut bad = frame.clone();
                for value in 0..=255 {
                    bad[at] = value;
                    let parsed = parse(&bad);
                    assert!(parsed.header_len + parsed.payload_len <= bad.len(), "byte {at} is {value}: {parsed:?}");
                    let _ = check(&bad);
                }
            }
        }
    }
}
