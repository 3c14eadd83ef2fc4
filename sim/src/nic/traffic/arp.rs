//! Answers to ARP: hosts that are not there.

use std::net::Ipv4Addr;

use static_assertions::const_assert_eq;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::nic::frame::{Ethernet, MIN_FRAME};

const ETHERTYPE_ARP: u16 = 0x0806;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// Answers for every address of a subnet but the host's own, so that the host can send to all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Responder {
    own: Ipv4Addr,
    prefix: u8,
}

/// An ARP packet about IPv4 addresses on Ethernet.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
#[doc(alias = "arphdr")]
struct Arp {
    /// 1, Ethernet.
    hardware: U16,
    /// 0x0800, IPv4.
    protocol: U16,
    /// 6, bytes of a hardware address.
    hardware_len: u8,
    /// 4, bytes of a protocol address.
    protocol_len: u8,
    operation: U16,
    sender_mac: [u8; 6],
    sender: [u8; 4],
    target_mac: [u8; 6],
    target: [u8; 4],
}
const_assert_eq!(size_of::<Arp>(), 28);

/// The frame of an answer, padded to the shortest that Ethernet carries.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Answer {
    ethernet: Ethernet,
    arp: Arp,
    padding: [u8; 18],
}
const_assert_eq!(size_of::<Answer>(), MIN_FRAME);

/// Whether a frame is ARP, well-formed or not.
pub(super) fn is_arp(frame: &[u8]) -> bool {
    Ethernet::ref_from_prefix(frame).is_ok_and(|(ethernet, _)| ethernet.ethertype == ETHERTYPE_ARP)
}

impl Responder {
    /// Answers for the other addresses of `own/prefix`.
    pub(super) const fn new(own: Ipv4Addr, prefix: u8) -> Self {
        Responder { own, prefix }
    }

    /// The answer to a frame, if it is a request for an address that a peer can have.
    pub(super) fn answer(&self, frame: &[u8]) -> Option<Answer> {
        let (ethernet, packet) = Ethernet::ref_from_prefix(frame).ok()?;
        let (arp, _) = Arp::ref_from_prefix(packet).ok()?;
        let target = Ipv4Addr::from(arp.target);
        let asked = ethernet.ethertype == ETHERTYPE_ARP
            && arp.hardware == 1
            && arp.protocol == 0x0800
            && (arp.hardware_len, arp.protocol_len) == (6, 4)
            && arp.operation == REQUEST
            && target != self.own
            && is_host(target, self.own, self.prefix);
        if !asked {
            return None;
        }
        let peer = mac_of(target);
        Some(Answer {
            ethernet: Ethernet { dst: arp.sender_mac, src: peer, ethertype: ETHERTYPE_ARP.into() },
            arp: Arp {
                operation: REPLY.into(),
                sender_mac: peer,
                sender: arp.target,
                target_mac: arp.sender_mac,
                target: arp.sender,
                ..*arp
            },
            padding: [0; 18],
        })
    }
}

/// Whether a host of the network of `inside/prefix` can have the address: neither the network's own nor its broadcast
/// address. `prefix` is at most 30.
pub(super) fn is_host(address: Ipv4Addr, inside: Ipv4Addr, prefix: u8) -> bool {
    let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    let host = address.to_bits() & hosts;
    address.to_bits() & !hosts == inside.to_bits() & !hosts && host != 0 && host != hosts
}

/// The locally administered MAC address of a peer.
pub(super) fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x00, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(198, 18, 3, 1);

    fn request(target: [u8; 4]) -> Vec<u8> {
        let own_mac = [2, 9, 9, 9, 9, 9];
        let ethernet = Ethernet { dst: [0xff; 6], src: own_mac, ethertype: ETHERTYPE_ARP.into() };
        let arp = Arp {
            hardware: 1.into(),
            protocol: 0x0800.into(),
            hardware_len: 6,
            protocol_len: 4,
            operation: REQUEST.into(),
            sender_mac: own_mac,
            sender: OWN.octets(),
            target_mac: [0; 6],
            target,
        };
        [ethernet.as_bytes(), arp.as_bytes()].concat()
    }

    #[test]
    fn answers_for_the_peers() {
        let responder = Responder::new(OWN, 24);
        let answer = responder.answer(&request([198, 18, 3, 77])).expect("a peer");
        let want = [
            &[2, 9, 9, 9, 9, 9, 2, 0, 198, 18, 3, 77, 0x08, 0x06][..],
            &[0, 1, 0x08, 0, 6, 4, 0, 2, 2, 0, 198, 18, 3, 77, 198, 18, 3, 77],
            &[2, 9, 9, 9, 9, 9, 198, 18, 3, 1],
            &[0; 18],
        ]
        .concat();
        assert_eq!(answer.as_bytes(), want);
    }

    #[test]
    fn not_for_the_host_nor_outside() {
        let responder = Responder::new(OWN, 24);
        for target in [[198, 18, 3, 1], [198, 18, 3, 0], [198, 18, 3, 255], [198, 18, 4, 77]] {
            assert!(responder.answer(&request(target)).is_none(), "{target:?}");
            assert!(is_arp(&request(target)));
        }
    }

    #[test]
    fn nothing_else_is_answered() {
        let responder = Responder::new(OWN, 24);
        let good = request([198, 18, 3, 77]);
        for len in 0..good.len() {
            assert!(responder.answer(&good[..len]).is_none(), "{len} bytes");
        }
        // Ethertype, hardware, protocol, both lengths, operation.
        for at in 12..22 {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            assert!(responder.answer(&bad).is_none(), "byte {at}");
        }
        assert!(!is_arp(&good[..13]));
    }

    #[test]
    fn hosts_of_a_network() {
        let host = |address: [u8; 4], prefix| is_host(address.into(), Ipv4Addr::new(10, 1, 2, 129), prefix);
        assert!(host([10, 1, 2, 130], 30));
        assert!(!host([10, 1, 2, 128], 30) && !host([10, 1, 2, 131], 30) && !host([10, 1, 2, 132], 30));
        assert!(host([10, 255, 2, 1], 8) && !host([11, 1, 2, 130], 8));
    }
}
