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
