//! Offsets and sizes as BTF has them: in bits, though nearly all are whole bytes.

use std::fmt;
use std::str::FromStr;

/// A number of bits. Written as bytes: `48`, or `48.3` for three bits more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bits(pub(crate) u64);

impl Bits {
    /// This many bytes.
    pub(crate) const fn bytes(bytes: u64) -> Self {
        Bits(bytes.saturating_mul(8))
    }

    pub(crate) const fn plus(self, more: Bits) -> Self {
        Bits(self.0.saturating_add(more.0))
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 8, self.0 % 8) {
            (bytes, 0) => write!(f, "{bytes}"),
            (bytes, bits) => write!(f, "{bytes}.{bits}"),
        }
    }
}

impl FromStr for Bits {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (bytes, bits) = text.split_once('.').unwrap_or((text, "0"));
        let (bytes, bits) = (bytes.parse::<u64>().map_err(|_| ())?, bits.parse::<u64>().map_err(|_| ())?);
        let whole = bytes.checked_mul(8).ok_or(())?;
        if bits < 8 { whole.checked_add(bits).map(Bits).ok_or(()) } else { Err(()) }
    }
}
