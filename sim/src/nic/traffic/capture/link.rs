//! Link types: how a packet of each becomes a frame of Ethernet.

use netmem::skb::ETH_HLEN;

/// LINKTYPE_ETHERNET.
pub(super) const ETHERNET: i32 = 1;
/// LINKTYPE_NULL: a packet of the loopback interface of BSD or Windows.
const NULL: i32 = 0;
/// What DLT_RAW is on OpenBSD (14) and elsewhere (12); it should not be in a file, and is.
const DLT_RAW: [i32; 2] = [12, 14];
/// LINKTYPE_RAW: IPv4 or IPv6, as its first four bits say.
const RAW: i32 = 101;
/// LINKTYPE_LOOP: as NULL, with its family in network byte order.
const LOOP: i32 = 108;
/// LINKTYPE_LINUX_SLL: what `tcpdump -i any` writes.
const SLL: i32 = 113;
const IPV4: i32 = 228;
const IPV6: i32 = 229;
/// LINKTYPE_LINUX_SLL2: what a newer `tcpdump -i any` writes.
const SLL2: i32 = 276;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// AF_INET, which is the same number everywhere.
const AF_INET: u32 = 2;
/// AF_INET6 of Linux, Windows, NetBSD and OpenBSD, FreeBSD, and Darwin.
const AF_INET6: [u32; 5] = [10, 23, 24, 28, 30];

/// Returns whether packets of this link type are frames of Ethernet, or become some by a header in front.
pub(super) fn is_received(linktype: i32) -> bool {
    DLT_RAW.contains(&linktype) || matches!(linktype, ETHERNET | NULL | RAW | LOOP | SLL | IPV4 | IPV6 | SLL2)
}

/// What a link type is called, for people.
pub(super) fn name(linktype: i32) -> &'static str {
    match linktype {
        NULL | LOOP => "BSD loopback",
        ETHERNET => "Ethernet",
        6 => "Token Ring",
        7 => "ARCNET",
        9 | 50 => "PPP",
        12 | 14 | RAW | IPV4 | IPV6 => "raw IP",
        104 => "Cisco HDLC",
        105 => "IEEE 802.11",
        SLL | SLL2 => "Linux cooked",
        127 => "IEEE 802.11 with radiotap",
        147..=162 => "private use",
        189 | 220 | 249 => "USB",
        187 | 201 => "Bluetooth",
        195 | 230 => "IEEE 802.15.4",
        227 => "CAN",
        _ => "another kind of link",
    }
}

/// A packet of a capture, seen as a frame of Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Linked<'a> {
    /// The EtherType of the header to put in front; `None` when the frame has one.
    ethertype: Option<u16>,
    rest: &'a [u8],
}

impl Linked<'_> {
    /// The length of the frame, in bytes.
    pub(super) fn len(&self) -> usize {
        self.rest.len() + if self.ethertype.is_some() { ETH_HLEN as usize } else { 0 }
    }

    /// Appends the frame. A header that is put in front has addresses of zeros, as the loopback interface of Linux has.
    pub(super) fn write(&self, frame: &mut Vec<u8>) {
        if let Some(ethertype) = self.ethertype {
            frame.extend_from_slice(&[0; 12]);
            frame.extend_from_slice(&ethertype.to_be_bytes());
        }
        frame.extend_from_slice(self.rest);
    }
}

/// Why a packet is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoFrame {
    /// Its link type, or the protocol that its link header names, has no EtherType.
    NoEtherType,
    /// It ends within its link header.
    Short,
}

/// Sees a packet as a frame of Ethernet. The content decides where the link type leaves it open.
pub(super) fn ethernet(linktype: i32, data: &[u8]) -> Result<Linked<'_>, NoFrame> {
    let put = |ethertype, from: usize| match data.get(from..) {
        Some(rest) => Ok(Linked { ethertype: Some(ethertype), rest }),
        None => Err(NoFrame::Short),
    };
    let word =
        |at: usize| data.get(at..).and_then(<[u8]>::first_chunk).copied().map(u16::from_be_bytes).ok_or(NoFrame::Short);
    match linktype {
        ETHERNET => Ok(Linked { ethertype: None, rest: data }),
        IPV4 => put(ETHERTYPE_IPV4, 0),
        IPV6 => put(ETHERTYPE_IPV6, 0),
        _ if linktype == RAW || DLT_RAW.contains(&linktype) => match data.first().ok_or(NoFrame::Short)? >> 4 {
            4 => put(ETHERTYPE_IPV4, 0),
            6 => put(ETHERTYPE_IPV6, 0),
            _ => Err(NoFrame::NoEtherType),
        },
        // The protocol field of both has the meaning of Ethernet's.
        SLL => put(word(14)?, 16),
        SLL2 => put(word(0)?, 20),
        NULL | LOOP => {
            let family = data.first_chunk().copied().map(u32::from_le_bytes).ok_or(NoFrame::Short)?;
            // Families are small numbers, so the order of the machine that wrote it shows.
            let family = if family > 0xffff { family.swap_bytes() } else { family };
            match family {
                AF_INET => put(ETHERTYPE_IPV4, 4),
                _ if AF_INET6.contains(&family) => put(ETHERTYPE_IPV6, 4),
                _ => Err(NoFrame::NoEtherType),
            }
        }
        _ => Err(NoFrame::NoEtherType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(linktype: i32, data: &[u8]) -> Result<Vec<u8>, NoFrame> {
        let linked = ethernet(linktype, data)?;
        let mut frame = Vec::new();
        linked.write(&mut frame);
        assert_eq!(frame.len(), linked.len());
        Ok(frame)
    }

    #[test]
    fn each_link_type_gets_the_type_of_its_content() {
        let with = |ethertype: [u8; 2], rest: &[u8]| Ok([&[0; 12], &ethertype[..], rest].concat());
        let (v4, v6) = ([0x45, 1, 2], [0x60, 3, 4]);
        assert_eq!(frame(ETHERNET, &v4), Ok(v4.to_vec()), "as it is");
        for raw in [12, 14, 101] {
            assert_eq!(frame(raw, &v4), with([0x08, 0x00], &v4));
            assert_eq!(frame(raw, &v6), with([0x86, 0xdd], &v6));
            assert_eq!(frame(raw, &[0x00, 1]), Err(NoFrame::NoEtherType));
        }
        assert_eq!(frame(228, &v6), with([0x08, 0x00], &v6), "the link type says it");
        assert_eq!(frame(229, &v6), with([0x86, 0xdd], &v6));
        let cooked = [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x08, 0x06][..], &[9, 9]].concat();
        assert_eq!(frame(113, &cooked), with([0x08, 0x06], &[9, 9]), "its protocol field is kept");
        assert_eq!(frame(113, &cooked[..15]), Err(NoFrame::Short));
        let cooked = [&[0x81, 0x00][..], &[0; 18], &[7]].concat();
        assert_eq!(frame(276, &cooked), with([0x81, 0x00], &[7]));
        assert_eq!(frame(276, &cooked[..19]), Err(NoFrame::Short));
        for loopback in [0, 108] {
            for (family, ethertype) in [(2, [0x08, 0x00]), (10, [0x86, 0xdd]), (24, [0x86, 0xdd]), (30, [0x86, 0xdd])] {
                for order in [u32::to_le_bytes, u32::to_be_bytes] {
                    let packet = [&order(family)[..], &v4].concat();
                    assert_eq!(frame(loopback, &packet), with(ethertype, &v4));
                }
            }
            assert_eq!(frame(loopback, &[7, 0, 0, 0, 1]), Err(NoFrame::NoEtherType));
            assert_eq!(frame(loopback, &[2, 0, 0]), Err(NoFrame::Short));
        }
        assert_eq!(frame(127, &v4), Err(NoFrame::NoEtherType));
        assert!([0, 1, 12, 14, 101, 108, 113, 228, 229, 276].into_iter().all(is_received));
        assert!(![105, 127, 147, -1].into_iter().any(is_received));
    }
}
