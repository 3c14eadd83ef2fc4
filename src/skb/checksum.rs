//! The checksum of the Internet protocols.

/// A running Internet checksum (RFC 1071): the one's complement sum of 16-bit words, over bytes that may come in
/// pieces of any length, odd ones included.
///
/// The bytes are summed as they lie in memory, 32 at a time, and folded and brought into network order once, at the
/// end.
///
/// ```
/// use netmem::skb::checksum::Checksum;
///
/// let header = [0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0xae, 0xa9, 198, 18, 0, 1, 198, 18, 0, 2];
/// let mut sum = Checksum::new();
/// sum.add(&header[..7]);
/// sum.add(&header[7..]);
/// assert_eq!(sum.finish(), 0, "the checksum is in the header, so a good header sums up to nothing");
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "csum_partial")]
pub struct Checksum {
    /// The sum of 32-bit words, as they lie in memory. 2^32 of them fit, 16 GiB of packet.
    sum: u64,
    /// An odd number of bytes went in, so the next one is the low half of a 16-bit word.
    odd: bool,
}

/// What [`Checksum::add`] sums in one step: eight words in four lanes, which compilers turn into vector instructions.
const STEP: usize = 32;

impl Checksum {
    /// The checksum of nothing yet.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Checksum { sum: 0, odd: false }
    }

    /// Adds the bytes that come next.
    #[doc(alias = "csum_block_add")]
    #[inline]
    pub fn add(&mut self, bytes: &[u8]) {
        let mut lanes = [0u64; 4];
        let mut steps = bytes.chunks_exact(STEP);
        for step in &mut steps {
            for (lane, pair) in lanes.iter_mut().zip(step.chunks_exact(8)) {
                let pair = word(pair);
                *lane += (pair & 0xffff_ffff) + (pair >> 32);
            }
        }
        let mut sum = lanes.iter().sum::<u64>();
        for rest in steps.remainder().chunks(8) {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            let pair = u64::from_ne_bytes(last);
            sum += (pair & 0xffff_ffff) + (pair >> 32);
        }
        // A piece that starts in the middle of a 16-bit word has all its bytes in the other half (RFC 1071, 2.B).
        self.sum += if self.odd { u64::from(fold(sum).swap_bytes()) } else { sum };
        self.odd ^= bytes.len() % 2 == 1;
    }

    /// Adds one 16-bit word of a pseudo header. Only between pieces that have an even length together.
    #[inline]
    pub fn add_u16(&mut self, value: u16) {
        self.add(&value.to_be_bytes());
    }

    /// The checksum as it goes into a header, in host order; 0 if the sum went over a header with a correct checksum
    /// in it.
    #[must_use]
    #[doc(alias = "csum_fold")]
    #[inline]
    pub fn finish(self) -> u16 {
        !u16::from_be(fold(self.sum))
    }
}

/// The Internet checksum of `bytes`, in host order.
#[must_use]
#[doc(alias = "ip_compute_csum")]
#[inline]
pub fn ip_checksum(bytes: &[u8]) -> u16 {
    let mut sum = Checksum::new();
    sum.add(bytes);
    sum.finish()
}

/// The 8 bytes of `bytes`, as they lie in memory; 0 for another length.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_ne_bytes)
}

/// Adds the carries until 16 bits are left.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alloc::Vec;
    use crate::alloc::vec;

    /// RFC 1071 as written: one word after the other.
    fn slow(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    fn noise(len: usize) -> Vec<u8> {
        (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    #[test]
    fn example_of_rfc_1071() {
        assert_eq!(ip_checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn like_the_slow_one_at_every_length() {
        let bytes = noise(300);
        for len in 0..bytes.len() {
            assert_eq!(ip_checksum(&bytes[..len]), slow(&bytes[..len]), "{len} bytes");
        }
        for len in [0, 1, 2, 31, 64, 65_535] {
            assert_eq!(ip_checksum(&vec![0xff; len]), slow(&vec![0xff; len]), "{len} bytes of 0xff");
        }
    }

    #[test]
    fn pieces_add_up() {
        let bytes = noise(131);
        let whole = ip_checksum(&bytes);
        for first in 0..bytes.len() {
            for second in first..bytes.len() {
                let mut sum = Checksum::new();
                sum.add(&bytes[..first]);
                sum.add(&bytes[first..second]);
                sum.add(&bytes[second..]);
                assert_eq!(sum.finish(), whole, "pieces end at {first} and {second}");
            }
        }
    }
}
