//! [`ReadableSkb`]: a packet that the CPU can read.

use super::{FragRef, Skb};
use crate::assert::assert_not_impl_any;

/// A packet whose every byte the CPU can read: what a plain transmit takes (rule S2).
///
/// It comes from [`Skb::into_readable`], which looks at each frag, and goes back by [`into_skb`](Self::into_skb). It is
/// never lent as `&mut Skb`, so that nobody adds device memory to it meanwhile. Its bytes need no `Option`.
///
/// ```
/// use netmem::skb::Skb;
///
/// let skb = Skb::copy_from(b"a packet").expect("there is memory");
/// let readable = skb.into_readable().expect("it is all on the heap");
/// assert_eq!(readable.pieces().collect::<Vec<_>>(), [b"a packet"]);
/// let skb: Skb = readable.into_skb();
/// # let _ = skb;
/// ```
///
/// # Invariants
///
/// Every frag of the skb gives bytes.
#[derive(Debug)]
pub struct ReadableSkb(Skb);

assert_not_impl_any!(ReadableSkb: Clone, Copy, Default, From<Skb>, core::ops::DerefMut, AsMut<Skb>);

impl ReadableSkb {
    pub(super) fn new(skb: Skb) -> Result<Self, Skb> {
        // Not only "no net_iov": whatever gives no bytes is not readable.
        if skb.frags().all(|frag| frag.bytes().is_some()) {
            // INVARIANT: each frag was just asked.
            Ok(ReadableSkb(skb))
        } else {
            Err(skb)
        }
    }

    /// Makes a packet a readable one again that was one, and has not been changed.
    pub(crate) fn back(skb: Skb) -> Self {
        debug_assert!(skb.frags().all(|frag| frag.bytes().is_some()), "the packet was readable");
        // INVARIANT: as the caller says.
        ReadableSkb(skb)
    }

    /// The packet, to look at.
    pub fn as_skb(&self) -> &Skb {
        &self.0
    }

    /// The packet as any other.
    pub fn into_skb(self) -> Skb {
        self.0
    }

    /// The bytes, in order: the linear part, then each frag. Empty ones are left out.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        // By the type's invariant no frag is without bytes.
        let frags = self.0.frags().filter_map(FragRef::bytes);
        core::iter::once(self.0.linear()).chain(frags).filter(|piece| !piece.is_empty())
    }

    /// The linear part, to write: headers, say.
    pub fn linear_mut(&mut self) -> &mut [u8] {
        self.0.linear_mut()
    }

    /// Bytes in the packet.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<ReadableSkb> for Skb {
    fn from(readable: ReadableSkb) -> Self {
        readable.into_skb()
    }
}
