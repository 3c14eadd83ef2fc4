//! Where a driver takes what it does next from: a seed, or the bytes of a fuzzer.

/// Words of input, until there are none.
pub(crate) trait Input {
    fn word(&mut self) -> Option<u64>;
}

/// So many words of a seed.
#[cfg(test)]
pub(crate) struct Noise {
    rng: netmem_sim::kit::Rng,
    left: u32,
}

#[cfg(test)]
impl Noise {
    pub(crate) fn new(seed: u64, words: u32) -> Self {
        // Seeds that are neighbours must not begin alike.
        Noise { rng: netmem_sim::kit::Rng::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)), left: words }
    }
}

#[cfg(test)]
impl Input for Noise {
    fn word(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        // The multiplication makes the low bits as good as the high ones.
        Some(self.rng.next().wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(32))
    }
}

/// The bytes that a fuzzer made, eight a word; what is left over is padded.
#[cfg(not(test))]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

#[cfg(not(test))]
impl Input for Bytes<'_> {
    fn word(&mut self) -> Option<u64> {
        if self.0.is_empty() {
            return None;
        }
        let (now, rest) = self.0.split_at(self.0.len().min(8));
        self.0 = rest;
        let mut word = [0; 8];
        word[..now.len()].copy_from_slice(now);
        Some(u64::from_le_bytes(word))
    }
}
