//! The Internet checksum over pieces.

/// A one's-complement sum that is fed in pieces of any length.
#[derive(Clone, Copy, Default)]
pub(super) struct Checksum {
    sum: u64,
    /// The last piece ended in the middle of a 16-bit word.
    odd: bool,
}

impl Checksum {
    pub(super) fn add(&mut self, mut bytes: &[u8]) {
        if self.odd {
            let Some((&first, rest)) = bytes.split_first() else { return };
            self.sum += u64::from(first);
            self.odd = false;
            bytes = rest;
        }
        let mut words = bytes.chunks_exact(2);
        for word in &mut words {
            self.sum += u64::from(u16::from_be_bytes([word[0], word[1]]));
        }
        if let [last] = words.remainder() {
            self.sum += u64::from(*last) << 8;
            self.odd = true;
        }
    }

    /// The sum, folded to 16 bits, not inverted.
    pub(super) fn fold(self) -> u16 {
        let mut sum = self.sum;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }
}

#[cfg(test)]
mod tests {
    use super::Checksum;

    #[test]
    fn pieces_make_no_difference() {
        let bytes: Vec<u8> = (0..257_u32).map(|i| (i * 31 % 251) as u8).collect();
        let mut whole = Checksum::default();
        whole.add(&bytes);
        for cut in 0..bytes.len() {
            let mut pieces = Checksum::default();
            pieces.add(&bytes[..cut]);
            pieces.add(&[]);
            pieces.add(&bytes[cut..]);
            assert_eq!(pieces.fold(), whole.fold(), "cut at {cut}");
        }
    }

    #[test]
    fn a_known_header() {
        // An IPv4 header with its checksum in place sums to 0xffff.
        let header = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8,
            0x00, 0xc7,
        ];
        let mut sum = Checksum::default();
        sum.add(&header);
        assert_eq!(sum.fold(), 0xffff);
    }
}
