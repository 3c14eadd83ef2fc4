//! Numbers that are as good as random.

/// Numbers that are as good as random, and the same in each run: xorshift64.
///
/// ```
/// use netmem_sim::kit::Rng;
///
/// let (mut one, mut other) = (Rng::new(7), Rng::new(7));
/// assert!((0..100).all(|_| one.next() == other.next()));
/// ```
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Starts the numbers of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Rng(seed | 1)
    }

    /// Returns the next number. They repeat after 2^64 - 1 numbers.
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Returns one of `0..n`, and 0 for an `n` of 0.
    pub const fn below(&mut self, n: usize) -> usize {
        let n = if n == 0 { 1 } else { n };
        (self.next() >> 16) as usize % n
    }

    /// Returns true once in `n`, on average.
    pub const fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
