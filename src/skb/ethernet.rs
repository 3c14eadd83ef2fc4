//! [`check_frame`]: what a frame of Ethernet is, for every way into a driver and out of it. [`eth_get_headlen`]: where its
//! headers end.

use crate::error::errno::EINVAL;

/// Bytes of an Ethernet header: two addresses and a type.
pub const ETH_HLEN: u32 = 14;

/// A frame ends within its Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a frame of {len} bytes ends within its Ethernet header, which has {ETH_HLEN}: drop it, and count it as too short"
)]
pub struct FrameError {
    /// Bytes of the frame.
    pub len: usize,
}

impl FrameError {
    /// Returns EINVAL, as `tun_get_user` does. Drivers of hardware drop such a frame.
    pub fn errno(&self) -> i32 {
        EINVAL
    }
}

/// Checks that `len` bytes are a frame of Ethernet: it has a whole Ethernet header, without which nobody can tell what
/// follows.
///
/// A driver asks before a program or the stack sees the frame, and a transmit ring before the device does. A frame that
/// is not one is dropped and counted as too short.
///
/// ```
/// use netmem::skb::{ETH_HLEN, check_frame};
///
/// assert!(check_frame(ETH_HLEN as usize).is_ok());
/// assert_eq!(check_frame(13).unwrap_err().len, 13);
/// ```
///
/// # Errors
///
/// [`FrameError`] for fewer than [`ETH_HLEN`] bytes.
pub const fn check_frame(len: usize) -> Result<(), FrameError> {
    if len < ETH_HLEN as usize { Err(FrameError { len }) } else { Ok(()) }
}

/// Returns how many of the first `max` bytes of a frame are its headers: Ethernet, one VLAN tag, IPv4 or IPv6, TCP or UDP.
/// Stops at the first header that it does not know.
///
/// A driver that copies the headers of a frame to the linear part of a packet asks it how many bytes to copy. It reads what
/// the sender wrote and believes none of it: the result is at most `max` and at most the length of the frame.
///
/// ```
/// use netmem::skb::eth_get_headlen;
///
/// let mut frame = [0; 100];
/// frame[12..24].copy_from_slice(&[0x08, 0, 0x45, 0, 0, 86, 0, 0, 0, 0, 64, 17]); // UDP over IPv4
/// assert_eq!(eth_get_headlen(&frame, 256), 14 + 20 + 8);
/// assert_eq!(eth_get_headlen(&frame, 40), 40);
/// ```
pub fn eth_get_headlen(frame: &[u8], max: usize) -> usize {
    headlen(frame).min(frame.len()).min(max)
}

fn headlen(frame: &[u8]) -> usize {
    let byte = |at: usize| frame.get(at).copied().unwrap_or_default();
    let word = |at: usize| u16::from_be_bytes([byte(at), byte(at + 1)]);
    let (ip, ethertype) = if word(12) == 0x8100 { (18, word(16)) } else { (ETH_HLEN as usize, word(12)) };
    let (transport, protocol) = match (ethertype, byte(ip) >> 4) {
        (0x0800, 4) => {
            let header = usize::from(byte(ip) & 0xf) * 4;
            if header < 20 {
                return ip;
            }
            // Only the first fragment has the header of its transport.
            let first = word(ip + 6) & 0x1fff == 0;
            (ip + header, if first { byte(ip + 9) } else { 0 })
        }
        (0x86dd, 6) => (ip + 40, byte(ip + 6)),
        _ => return ip,
    };
    match protocol {
        6 => transport + usize::from(byte(transport + 12) >> 4).max(5) * 4,
        17 => transport + 8,
        _ => transport,
    }
}
