//! [`check_frame`]: what a frame of Ethernet is, for every way into a driver and out of it.

/// Bytes of an Ethernet header: two addresses and a type.
pub const ETH_HLEN: u32 = 14;

/// A frame ends within its Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a frame of {len} bytes ends within its Ethernet header, which has {ETH_HLEN}: drop it, and count it as too short"
)]
pub struct FrameTooShort {
    /// Bytes of the frame.
    pub len: usize,
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
/// [`FrameTooShort`] for fewer than [`ETH_HLEN`] bytes.
pub const fn check_frame(len: usize) -> Result<(), FrameTooShort> {
    if len < ETH_HLEN as usize { Err(FrameTooShort { len }) } else { Ok(()) }
}
