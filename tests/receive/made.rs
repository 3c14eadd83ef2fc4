//! Captures that these tests make.

use netmem::skb::checksum::Checksum;
use std::path::Path;

/// One packet of a file: the bytes that were captured, and how many were on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) data: Vec<u8>,
    pub(crate) original: u32,
}

impl From<Vec<u8>> for Packet {
    fn from(data: Vec<u8>) -> Self {
        Packet { original: data.len() as u32, data }
    }
}

/// How a pcap file is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pcap {
    pub(crate) big_endian: bool,
    pub(crate) magic: u32,
    pub(crate) minor: u16,
    pub(crate) linktype: u32,
}

impl Default for Pcap {
    fn default() -> Self {
        Pcap { big_endian: false, magic: 0xa1b2_c3d4, minor: 4, linktype: 1 }
    }
}

impl Pcap {
    pub(crate) fn word(self, value: u32) -> [u8; 4] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn half(self, value: u16) -> [u8; 2] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(crate) fn file(self, packets: &[Packet]) -> Vec<u8> {
        let mut file = [&self.word(self.magic)[..], &self.half(2), &self.half(self.minor), &[0; 8]].concat();
        file.extend([self.word(65535), self.word(self.linktype)].concat());
        for packet in packets {
            let mut lengths = [packet.data.len() as u32, packet.original];
            if self.minor < 3 {
                lengths.reverse();
            }
            file.extend([[0; 8], [self.word(lengths[0]), self.word(lengths[1])].concat().try_into().unwrap()].concat());
            if self.magic == 0xa1b2_cd34 {
                file.extend([0; 8]);
            }
            file.extend(&packet.data);
        }
        file
    }
}

/// A block of a pcapng file, little endian.
pub(crate) fn block(kind: u32, content: &[u8]) -> Vec<u8> {
    let padded = content.len().next_multiple_of(4);
    let len = (12 + padded as u32).to_le_bytes();
    [&kind.to_le_bytes()[..], &len, content, &vec![0; padded - content.len()], &len].concat()
}

/// The start of a pcapng file, with an interface for each link type.
pub(crate) fn section(linktypes: &[u16]) -> Vec<u8> {
    let mut file = block(0x0a0d_0d0a, &[&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
    for linktype in linktypes {
        file.extend(block(1, &[&linktype.to_le_bytes()[..], &[0; 6]].concat()));
    }
    file
}

/// An enhanced packet block.
pub(crate) fn enhanced(interface: u32, packet: &Packet) -> Vec<u8> {
    let words = [interface, 0, 0, packet.data.len() as u32, packet.original];
    block(6, &[&words.map(u32::to_le_bytes).concat()[..], &packet.data].concat())
}

/// A UDP packet of IPv4 for a port, without what is in front of IP. `len` bytes of payload.
pub(crate) fn ip(port: u16, len: usize) -> Vec<u8> {
    let total = (28 + len) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2]);
    packet.extend([0xc0, 0]);
    packet.extend(port.to_be_bytes());
    packet.extend((8 + len as u16).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend((0..len).map(|i| (i * 7 + len) as u8));
    set_checksum(&mut packet, 12, 20);
    packet
}

/// Writes the checksum of UDP, which begins at `udp` behind the addresses at `addresses`.
pub(crate) fn set_checksum(packet: &mut [u8], addresses: usize, udp: usize) {
    packet[udp + 6..udp + 8].fill(0);
    // It goes over the protocol, the length, the addresses, and all of UDP.
    let mut sum = Checksum::new();
    sum.add_u16(17);
    sum.add_u16((packet.len() - udp) as u16);
    sum.add(&packet[addresses..]);
    // 0 would say that there is none.
    let sum = if sum.finish() == 0 { 0xffff } else { sum.finish() };
    packet[udp + 6..udp + 8].copy_from_slice(&sum.to_be_bytes());
}

/// The same in a frame of Ethernet.
pub(crate) fn frame(port: u16, len: usize) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00][..], &ip(port, len)].concat()
}

/// Frames for both queues in turn.
pub(crate) fn frames(count: usize) -> Vec<Packet> {
    (0..count).map(|i| frame(5001 + i as u16 % 2, 20 + i % 1400).into()).collect()
}

/// Writes a file for a test.
pub(crate) fn write(name: &str, bytes: &[u8]) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().into()
}

/// A capture that the repository has.
pub(crate) fn data(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}
