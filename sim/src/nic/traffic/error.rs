//! Why there is no more traffic.

use std::io;
use std::net::Ipv4Addr;

use super::capture::{LONGER, PassedOver};
use super::generator::MIN_PAYLOAD;
use crate::nic::frame::{MAX_UDP_PAYLOAD, MIN_FRAME, UDP_HEADERS};

/// Why a source of traffic could not be made, or failed. Packets of a file are counted from 1, as Wireshark does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrafficError {
    /// A generator of nothing.
    #[error("a generator of 0 packets makes no traffic: ask for at least 1")]
    NoPackets,
    /// A generator without a port to send to.
    #[error("the generator has no port to send to: name at least one, one for each queue")]
    NoPorts,
    /// UDP port 0 is reserved.
    #[error("the generator cannot send to port 0, which is reserved: use ports from 1 to 65535")]
    PortZero,
    /// Sequence numbers are counted by port, so each port is there once.
    #[error("port {port} is listed twice: each port of the generator needs sequence numbers of its own")]
    PortTwice {
        /// The port.
        port: u16,
    },
    /// A range of sizes with nothing in it.
    #[error("no payload is at least {min} and at most {max} bytes long: put the smaller size first")]
    SizeRange {
        /// The smaller size, in bytes.
        min: usize,
        /// The larger size, in bytes.
        max: usize,
    },
    /// A payload that has no room for its sequence number.
    #[error("a payload of {len} bytes has no room for sequence number and tag: generate at least {MIN_PAYLOAD} bytes")]
    PayloadTooShort {
        /// Bytes of payload.
        len: usize,
    },
    /// A payload that no UDP packet can carry.
    #[error("a payload of {len} bytes does not fit into a UDP packet: generate at most {MAX_UDP_PAYLOAD} bytes")]
    PayloadTooLong {
        /// Bytes of payload.
        len: usize,
    },
    /// A generated frame that the NIC does not take.
    #[error(
        "a payload of {len} bytes makes a frame of {} bytes, and the NIC takes {max_frame}: generate at most {} \
         bytes, or allow longer frames (--max-frame of the examples)",
        (len + UDP_HEADERS).max(MIN_FRAME),
        max_frame.saturating_sub(UDP_HEADERS)
    )]
    PayloadFrame {
        /// Bytes of payload.
        len: usize,
        /// The longest frame, in bytes.
        max_frame: usize,
    },

    /// A capture that cannot be opened.
    #[error("cannot open {file}: {source}")]
    Open {
        /// The path.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A capture that cannot be read on.
    #[error("cannot read {file} at byte {offset}, in packet {packet}: {source}")]
    Read {
        /// The path.
        file: String,
        /// Bytes from the start of the file.
        offset: u64,
        /// The packet that was about to be read, from 1.
        packet: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A file of no bytes.
    #[error("{file} is empty: a capture has at least a header; was it written to the end?")]
    EmptyFile {
        /// The path.
        file: String,
    },
    /// Something else than a capture.
    #[error(
        "{file} is neither pcap nor pcapng: it starts with {start:02x?}; name a capture that tcpdump or Wireshark \
         wrote, unpacked if it was compressed"
    )]
    NotACapture {
        /// The path.
        file: String,
        /// The first four bytes, fewer if the file is shorter.
        start: Vec<u8>,
    },
    /// Packets that are not Ethernet frames.
    #[error("{file}, packet {packet}: link type {linktype} ({name}) is not Ethernet (1): {advice}")]
    LinkType {
        /// The path.
        file: String,
        /// The first packet of that type, from 1.
        packet: u64,
        /// The LINKTYPE_ number.
        linktype: i32,
        /// What that is called.
        name: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A file that ends too early.
    #[error(
        "{file} is cut off: it ends at byte {end}, inside what starts at byte {offset}, before the end of packet \
         {packet}; copy it again, or let the program that captures end before you do"
    )]
    Truncated {
        /// The path.
        file: String,
        /// The packet that was about to be read, from 1.
        packet: u64,
        /// Where the incomplete piece begins, in bytes from the start of the file.
        offset: u64,
        /// The length of the file, in bytes.
        end: u64,
    },
    /// A packet that was not captured as a whole.
    #[error(
        "{file}, packet {packet} (at byte {offset}): only {captured} of {original} bytes were captured; capture whole \
         packets with tcpdump -s 0"
    )]
    Snapped {
        /// The path.
        file: String,
        /// The packet, from 1.
        packet: u64,
        /// Where it begins, in bytes from the start of the file.
        offset: u64,
        /// Bytes in the file.
        captured: u32,
        /// Bytes on the wire.
        original: u32,
    },
    /// A packet that the NIC does not take.
    #[error(
        "{file}, packet {packet} (at byte {offset}): a frame of {len} bytes, and the NIC takes {max_frame}; {LONGER}"
    )]
    FrameTooLong {
        /// The path.
        file: String,
        /// The packet, from 1.
        packet: u64,
        /// Where it begins, in bytes from the start of the file.
        offset: u64,
        /// Its length, in bytes.
        len: usize,
        /// The longest frame, in bytes.
        max_frame: usize,
    },
    /// A file that contradicts itself.
    #[error(
        "{file}, before packet {packet} ends (at byte {offset}): {what}; the file is damaged, or something was appended to it: \
         capture again"
    )]
    Damaged {
        /// The path.
        file: String,
        /// The packet that was about to be read, from 1.
        packet: u64,
        /// Where the trouble begins, in bytes from the start of the file.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// A capture that nothing was captured in.
    #[error("{file} is a capture without packets: capture while there is traffic")]
    EmptyCapture {
        /// The path.
        file: String,
    },

    /// A capture of which no packet is received.
    #[error("no packet of {file} can be received: {passed_over}; {advice}")]
    AllPassedOver {
        /// The path.
        file: String,
        /// Why not, packet by packet.
        passed_over: PassedOver,
        /// What to do.
        advice: String,
    },

    /// The kernel has no TUN/TAP.
    #[error("there is no /dev/net/tun: load the module with modprobe tun, or give the container --device /dev/net/tun")]
    NoTun,
    /// The name does not do for a network device.
    #[error("{name:?} is not a name for a TAP device: use 1 to 15 characters without white space, '/' or ':'")]
    TapName {
        /// The name.
        name: String,
    },
    /// The subnet of the TAP device has no room for a peer.
    #[error("{address}/{prefix} leaves no address to send to: use a prefix from 1 to 30")]
    TapPrefix {
        /// The address of the TAP device.
        address: Ipv4Addr,
        /// The length of the network's prefix, in bits.
        prefix: u8,
    },
    /// The address is not one that a host can have.
    #[error(
        "{address}/{prefix} is not the address of a host: use a unicast address inside its network, as 198.18.0.1/24"
    )]
    TapAddress {
        /// The address of the TAP device.
        address: Ipv4Addr,
        /// The length of the network's prefix, in bits.
        prefix: u8,
    },
    /// The MTU is not one that a TAP device can have.
    #[error("a TAP device cannot have an MTU of {mtu} bytes: use 68 to 65521")]
    TapMtu {
        /// The MTU, in bytes.
        mtu: u16,
    },
    /// Making a TAP device is not allowed.
    #[error("not allowed to make the TAP device {name}: run as root or with CAP_NET_ADMIN ({source})")]
    TapPermission {
        /// The device.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A TAP device cannot be made or set up.
    #[error("cannot make the TAP device {name} with {address}/{prefix}: {source}; is the name in use?")]
    TapOpen {
        /// The device.
        name: String,
        /// Its address.
        address: Ipv4Addr,
        /// The length of its network's prefix, in bits.
        prefix: u8,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody removed the TAP device.
    #[error("the TAP device {name} is gone, somebody deleted it ({source}): start again")]
    TapGone {
        /// The device.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The TAP device failed.
    #[error("the TAP device {name} failed: {source}")]
    Tap {
        /// The device.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A frame longer than the MTU that the TAP device was made with.
    #[error(
        "the TAP device {name} sent a frame of more than {max_frame} bytes: its MTU was {mtu} and has been raised; \
         set it back, or start again with the larger one"
    )]
    TapFrame {
        /// The device.
        name: String,
        /// The longest frame at that MTU, in bytes.
        max_frame: usize,
        /// The MTU that the device was made with, in bytes.
        mtu: u16,
    },
}

static_assertions::assert_impl_all!(TrafficError: Send, Sync, std::error::Error);
