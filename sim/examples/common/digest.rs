//! The digest of a queue's payloads: what a sender compares with.

/// The digest of nothing.
pub(crate) const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;

/// Adds a payload: FNV-1a, a little-endian word at a time where there is one: order matters, and a lost byte shows.
pub(crate) fn add(mut digest: u64, bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = word.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        digest = (digest ^ word).wrapping_mul(0x0100_0000_01b3);
    }
    for byte in words.remainder() {
        digest = (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    digest
}
